//! Text that would like to be more than text: shown as it was written, everywhere a page shows it.

use serde_json::json;

use crate::support::{Launch, TestServer};

use super::person::{LOG, NAME};
use super::window::ENTER;
use super::{Driver, Person, Window, admin_link};

/// Notes every breach of the page's policy and every error in its scripts.
const WATCH: &str = "window.wrongs = [];
    addEventListener('securitypolicyviolation', (event) => wrongs.push(`policy: ${event.blockedURI}`));
    addEventListener('error', (event) => wrongs.push(`error: ${event.message}`), true);
    addEventListener('unhandledrejection', (event) => wrongs.push(`rejection: ${event.reason}`));
    window.alert = () => window.owned = true;";

const TEXTS: &[&str] = &[
    "<script>window.owned=true</script>",
    "<img src=x onerror='window.owned=true'><svg onload=window.owned=true>",
    "</textarea></title></script><style>*{display:none}</style>",
    "{{ csrf }} {{{ messages }}} ${window.owned=true}",
    "javascript:window.owned=true http://127.0.0.1:1/\"onmouseover=\"window.owned=true",
    "`<b>` ```<script>window.owned=true</script>```",
    "before\u{2028}after\u{2029}end \u{202e}gnirts\u{202c} \u{2066}isolate\u{2069}",
    "𝕳𝖊𝖑𝖑𝖔 👩‍👩‍👧‍👦 𠜎 e\u{301} \u{fffd}",
    "&lt;script&gt;window.owned=true&lt;/script&gt; &#60;b&#62; %3Cscript%3E",
];

/// Names of people who are here; they are in the list, in the log and in the administrator's pages.
const NAMES: &[&str] =
    &["<img src=x onerror=window.owned=true>", "\"><script>window.owned=true</script>", "عمر 🎭 {{ me }}"];

#[test]
fn hostile_text_is_text_in_every_page_and_nothing_leaves_the_origin() {
    let Some(driver) = Driver::start() else { return };
    let title = "<script>window.owned=true</script> & \"Friends\"";
    let server = Launch::new().flags(&["--title", title]).start();
    let window = driver.open_window();
    window.run_first(WATCH);
    window.open(&server.url("/lobby/"));
    window.wait_for_text("h1", title);
    window.insert(NAME, "Viola");
    window.type_into(NAME, &ENTER.to_string());
    window.wait_for_path("/");
    let viola = Person { window };
    let window = &viola.window;
    assert_eq!(window.run("return document.title", &[]), title);

    let mut people: Vec<_> = NAMES.iter().map(|name| server.sign_in(name)).collect();
    let _here: Vec<_> = people.iter().map(|person| person.open_stream()).collect();
    for (n, text) in TEXTS.iter().enumerate() {
        people[n % NAMES.len()].send(text);
    }
    for name in NAMES {
        window.wait(name, || (window.count("#online", name) == 1).then_some(()));
    }
    // The marks of code are not shown.
    let shown: Vec<_> = TEXTS.iter().map(|text| text.replace('`', "")).collect();
    // Once as they come in, once as the server has put them into the page.
    for _ in 0..2 {
        let contents = "return [...document.querySelectorAll('#log .content')].map((e) => e.textContent)";
        window.wait("the texts as they were written", || {
            (window.run(contents, &[]) == json!(shown)).then_some(())
        });
        expect_only_text(window, LOG);
        expect_nothing_wrong(window, &server);
        window.open(&server.url("/"));
    }

    window.insert("#search", "window.owned");
    window.wait_for_text("#found", "<script>window.owned=true</script>");
    expect_only_text(window, "#found");
    window.open(&server.url("/?q=%3Cscript%3E&before=5"));
    window.wait_for_text("#found", "<script>window.owned=true</script>");
    expect_only_text(window, "#found");
    expect_nothing_wrong(window, &server);

    window.open(&admin_link(&server));
    for page in ["messages", "authors", "people"] {
        window.open(&server.url(&format!("/admin/{page}/")));
        window.wait_for_text("main", NAMES[0]);
        expect_only_text(window, "main");
        expect_nothing_wrong(window, &server);
    }
    window.open(&server.url("/admin/messages/?q=%22%3E%3Cscript%3Ewindow.owned=true%3C/script%3E"));
    expect_only_text(window, "main");
    expect_nothing_wrong(window, &server);
}

/// None of what was written has become an element.
#[track_caller]
fn expect_only_text(window: &Window, css: &str) {
    let script = "const [css] = arguments;
        const all = (selector) => [...document.querySelectorAll(selector)];
        const inside = all(`${css} :is(script, img, style, iframe, b, svg)`);
        const listening = all('*').filter((e) => [...e.attributes].some(({name}) => name.startsWith('on')));
        const links = all(`${css} a`).filter(({protocol}) => !/^https?:$/.test(protocol));
        return [...inside, ...listening, ...links].map((e) => e.outerHTML)";
    assert_eq!(window.run(script, &[css]), json!([]), "{css}");
}

#[track_caller]
fn expect_nothing_wrong(window: &Window, server: &TestServer) {
    let wrongs = window.run("return [...wrongs, ...(window.owned ? ['owned'] : [])]", &[]);
    assert_eq!(wrongs, json!([]), "{}", window.location());
    let script = "return performance.getEntriesByType('resource').map(({name}) => name)
        .filter((name) => !name.startsWith(arguments[0]) && !name.startsWith('data:'))";
    assert_eq!(window.run(script, &[&server.url("/")]), json!([]), "{} asks elsewhere", window.location());
}
