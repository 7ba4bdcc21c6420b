// The start: the page comes to life, and then the stream opens.

// What pressing each thing does; the links and forms work without it as well.
const presses = {
	'#older': () => extend(true),
	'#newer, #jump': goToEnd,
	'#cancel': () => edit(0),
	'#close': closeSearch,
	'#more': () => search({ before: more.value }),
	'#found a': ({ hash }) => (closeSearch(), goToMessage(hash.slice(2))),
	'#try': connect,
	'#sound': toggleSound,
	'#notify': toggleNotify,
	'.name': ({ title }) => mention(title),
	'.edit': (link) => edit(itemAt(link).number, itemAt(link).text),
	'.delete': (button) => change(itemAt(button).number, 'delete'),
};

const itemAt = (element) => element.closest('.message');

document.onclick = (event) => {
	for (const menu of list.querySelectorAll('.more[open]')) {
		if (!menu.firstChild.contains(event.target)) menu.open = false;
	}
	for (const [selector, act] of Object.entries(presses)) {
		const pressed = event.target.closest(selector);
		if (pressed) event.preventDefault(), act(pressed);
	}
};

document.onvisibilitychange = () => {
	flush();
	forgetUnread();
	// A machine that slept has missed its timers.
	if (!document.hidden && (parked || lostAt || Date.now() - heardAt > page.heartbeat)) connect();
};

onhashchange = () => {
	const id = /^#m(\d+)$/.exec(location.hash)?.[1];
	if (id) goToMessage(id);
};
byId('leave').onsubmit = () => sessionStorage.clear();
ononline = connect;
onpagehide = () => stream.close(); // the back button's cache takes no open stream
onpageshow = ({ persisted }) => persisted && connect();

// The names of days change at midnight.
function startDay() {
	arrange();
	setTimeout(startDay, new Date().setHours(24, 0, 1) - Date.now());
}

messages().forEach(enliven);
startDay();
outbox = JSON.parse(sessionStorage.outbox ?? '[]');
if (touch) box.enterKeyHint = 'enter'; // there only the button sends
if (form.dataset.edit) edit(form.dataset.edit, box.value);
else if (touch) writeIn(sessionStorage.draft ?? '');
else edit(0);
localStorage.name = me;
showSwitches();
onhashchange();
list.ariaLive = 'polite';
connect();
setInterval(watch, 1000);
