//! For everyone: axe-core finds nothing to object to, in light and dark, on a desk and on a phone.

use std::env;
use std::fs;
use std::path::Path;

use crate::support::TestServer;

use super::person::NAME;
use super::window::ENTER;
use super::{Driver, Person, Window, admin_link};

/// axe-core's script, or `None`, with the reason printed, where it is not installed and not demanded.
fn axe() -> Option<String> {
    let installed = "target/axe/node_modules/axe-core/axe.min.js";
    let path = env::var("PARLOR_AXE").unwrap_or_else(|_| installed.into());
    match fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)) {
        Ok(script) => Some(script),
        Err(error) if env::var("PARLOR_BROWSER_TESTS").is_ok_and(|value| value == "required") => {
            panic!("axe-core is required: {path}: {error}")
        }
        Err(error) => {
            eprintln!("ignored: {path}: {error}");
            None
        }
    }
}

#[track_caller]
fn expect_accessible(window: &Window) {
    for (scheme, width, height) in
        [("light", 1200, 800), ("dark", 1200, 800), ("light", 390, 844), ("dark", 390, 844)]
    {
        window.resize(width, height);
        window.prefer(scheme);
        let found = window.run_to_end(
            "const { violations, passes } = await axe.run({ resultTypes: ['violations'] });
             const told = ({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`);
             return passes.length ? violations.flatMap(told) : ['nothing was looked at']",
        );
        let at = window.location();
        assert_eq!(found, serde_json::json!([]), "{at}, {scheme}, {width} pixels wide");
    }
}

#[test]
fn the_chat_and_the_lobby_keep_nobody_out() {
    let (Some(axe), Some(driver)) = (axe(), Driver::start()) else { return };
    let mut server = TestServer::with(&["--passphrase", "sesame"]);
    let window = driver.open_window();
    window.run_first(&axe);
    window.open(&server.url("/lobby/"));
    expect_accessible(&window);
    window.type_into(NAME, &format!("Viola{ENTER}"));
    window.wait_for_text("#error", "passphrase");
    expect_accessible(&window);
    window.type_into(NAME, "");
    window.type_into("input[name=passphrase]", &format!("sesame{ENTER}"));
    window.wait_for_path("/");
    let viola = Person { window };
    let window = &viola.window;
    expect_accessible(window);

    let mut feste = server.visitor();
    feste.post("/lobby/", &[("username", "Feste"), ("passphrase", "sesame")]).expect(302);
    let mut stream = feste.open_stream();
    stream.expect_live();
    feste.send("hello, Viola: https://example.org/ `code` ```block```");
    viola.sees("hello");
    viola.sends("mine");
    viola.sees("mine");
    window.wait_for_text("#online", "Feste");
    window.wait_for_elements(".state", 0);
    expect_accessible(window);
    viola.opens_menu_of(".mine");
    expect_accessible(window);
    window.click(".mine .edit");
    expect_accessible(window);
    window.click("#cancel");
    window.resize(390, 844);
    for drawer in ["people", "menu"] {
        window.click(&format!("[popovertarget={drawer}]"));
        window.wait_shown(&format!("#{drawer}"));
        expect_accessible(window);
        window.run("document.getElementById(arguments[0]).hidePopover()", &[drawer]);
    }
    window.type_into("#search", "hello");
    window.wait("a result", || (window.elements("#found mark") > 0).then_some(()));
    expect_accessible(window);
    window.run("document.querySelector('#close').click()", &[]);
    // Every colour a name may have, on every ground it may stand on.
    let crowd = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
        INSERT INTO author (name) SELECT 'Person ' || i FROM n;
        INSERT INTO message (author_id, content)
        SELECT id, 'hello, ' || iif(id % 2, 'Viola', 'all') || ', https://example.org/ `code` ```block```'
        FROM author;";
    server.sqlite().execute_batch(crowd).unwrap();
    window.wait("the crowd", || (window.elements("article") > 50).then_some(()));
    expect_accessible(window);

    server.kill();
    viola.sends("lost");
    window.wait_shown("#connection");
    window.run("document.querySelectorAll('[role=log] > :not(.mine)').forEach((item) => item.remove())", &[]);
    expect_accessible(window);
}

#[test]
fn the_administrators_pages_and_the_errors_keep_nobody_out() {
    let (Some(axe), Some(driver)) = (axe(), Driver::start()) else { return };
    let server = TestServer::start_new();
    let mut orsino = server.sign_in("Orsino");
    orsino.send("if music be the food of love");
    let mut stream = orsino.open_stream();
    stream.expect_live();
    let window = driver.open_window();
    window.run_first(&axe);
    for page in ["/admin/", "/nowhere/"] {
        window.open(&server.url(page));
        expect_accessible(&window);
    }
    window.open(&admin_link(&server));
    for page in ["messages/", "messages/?q=zounds", "authors/", "people/", "figures/"] {
        window.open(&server.url(&format!("/admin/{page}")));
        expect_accessible(&window);
    }
    window.open(&server.url("/admin/authors/"));
    window.click("form[action$='/delete/'] .danger");
    window.wait_for_text("form.card h2", "Orsino");
    expect_accessible(&window);
    window.open(&server.url("/admin/people/"));
    window.click("ul.rows form[action='/admin/people/block/'] .danger");
    window.wait_for_text("[role=status]", "blocked");
    expect_accessible(&window);
}
