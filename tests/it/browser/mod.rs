//! The page in a real browser. Without one these tests say so and pass, unless `PARLOR_BROWSER_TESTS=required`.

// WebDriver over plain HTTP.
mod driver;
// People who talk through the page.
mod person;

// Two people in two windows.
mod chat;
// An administrator and a person.
mod admin;
// The pictures in the documents.
mod screenshots;

use driver::Driver;
use person::Person;
