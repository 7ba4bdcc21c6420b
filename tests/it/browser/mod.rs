//! The page in a real browser. Without one these tests say so and pass, unless `PARLOR_BROWSER_TESTS=required`.

// WebDriver over plain HTTP, and a browser as it shows it.
mod driver;
mod window;
// People who talk through the page.
mod person;

// Coming in.
mod joining;
// Two people in two windows.
mod chat;
// Keys, messages on their way, edits and deletions.
mod writing;
// The view, held still.
mod scrolling;
// Who is here, who is typing, what came while nobody looked.
mod people;
// Search, and the address of a message.
mod search;
// The server away and back.
mod connection;
// Without JavaScript, and in another language.
mod plain;
// A phone, and a narrow window.
mod phone;
// Accessibility.
mod access;
// Bytes and milliseconds.
mod heavy;
// Text that would like to be more.
mod hostile;
// An administrator and a person.
mod admin;
// The pictures in the documents.
mod screenshots;

use crate::support::{TestServer, until};

use driver::Driver;
use person::Person;
use window::Window;

/// Puts so many messages of one author into the conversation: line 1, line 2, …
fn fill(server: &TestServer, count: u32) {
    let lines = format!(
        "INSERT OR IGNORE INTO author (name) VALUES ('Chorus');
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO message (author_id, content, created_at)
        SELECT
            (SELECT id FROM author WHERE name = 'Chorus'),
            'line ' || i,
            strftime('%Y-%m-%dT%H:%M:%fZ', 'now', (i - {count}) || ' minutes')
        FROM n;"
    );
    server.sqlite().execute_batch(&format!("BEGIN; {lines} COMMIT")).expect("the lines are put in");
}

/// The link that the server prints for its administrator.
fn admin_link(server: &TestServer) -> String {
    until("the admin link", || {
        let printed = server.printed();
        let link = printed.split_once("admin at ")?.1.split_once('\n')?.0;
        Some(link.to_owned())
    })
}
