// The log: one stretch of the conversation, each message once, in order, held still while it changes.

const scroller = byId('history');
const list = byId('log');
const older = byId('older');
const newer = byId('newer'); // shown while the stretch ends before the newest message
const jump = byId('jump');
const blank = byId('blank').content.firstElementChild;

const ROOM = 300; // messages in the page; more would slow it
const STEP = 40; // messages fetched at a time
const NEAR_END = 100; // pixels from the end that still count as reading the newest
const NEAR_EDGE = 600; // pixels from an edge at which more is fetched
const GROUP_MS = 5 * 60 * 1000;

let newest = 0; // the highest message id met, shown or not
let unseenAfter = Infinity; // the unread line stands before the first message beyond this id
let missed = 0; // messages that came while the reader was further up
let arrived = []; // messages that wait for the next frame
let due = 0; // that frame
let loading = false;

const messages = () => [...list.children];
const stored = () => messages().filter(({ id }) => id);
const itemOf = (id) => byId(`m${id}`);
const part = (item, name) => item.querySelector(`.${name}`);
const topOf = (item) => item?.getBoundingClientRect().top;
const atEnd = () => newer.hidden && -scroller.scrollTop <= NEAR_END;

// Brings to life what the server rendered.
function enliven(item) {
	const time = part(item, 'when').firstChild;
	item.number = Number(item.id.slice(1)) || Infinity; // what is still being sent stays last
	item.author = part(item, 'name').title;
	item.at = new Date(time.dateTime);
	time.textContent = clock.format(item.at);
	time.title = fullTime.format(item.at);
	write(item, part(item, 'content').textContent);
	if (item.id) newest = Math.max(newest, item.number);
	return item;
}

function write(item, content) {
	item.text = content;
	writeContent(part(item, 'content'), content);
	item.classList.toggle('named', item.author !== me && namesMe(content));
}

function build({ id, author__name: name, content, created_at, edited }) {
	const item = blank.cloneNode(true);
	item.id = id ? `m${id}` : '';
	item.className = `message ${hueOf(name)} ${name === me ? 'mine' : ''}`;
	if (name !== me) part(item, 'more').remove();
	sign(item, name);
	part(item, 'when').href = `#m${id}`;
	part(item, 'when').firstChild.dateTime = created_at;
	part(item, 'content').textContent = content;
	part(item, 'edited').hidden = !edited;
	return enliven(item);
}

function sign(item, name) {
	item.author = part(item, 'name').title = part(item, 'name').firstChild.textContent = name;
}

function rename({ from, to }) {
	if (from === me) me = byId('me').textContent = localStorage.name = to;
	for (const item of messages().filter(({ author }) => author === from)) {
		item.classList.replace(hueOf(from), hueOf(to));
		sign(item, to);
	}
}

// A message may come twice; one that is here is brought up to date.
function upsert(message) {
	if (itemOf(message.id)) return message.edited && rewrite(message);
	const item = build(message);
	const before = messages().findLast(({ number }) => number <= item.number);
	before ? before.after(item) : list.prepend(item);
	return item;
}

function rewrite({ id, content }) {
	const item = itemOf(id);
	if (!item) return;
	part(item, 'edited').hidden = false;
	write(item, content);
}

function strikeOut({ id }) {
	const item = itemOf(id);
	if (!item) return;
	item.classList.add('deleted');
	write(item, say('deleted'));
}

// Day lines, the unread line and groups follow from the messages alone.
function arrange() {
	let before, unread;
	for (const item of messages()) {
		const newDay = before?.at.toDateString() !== item.at.toDateString();
		const begins = !unread && item.number > unseenAfter && item.author !== me;
		unread ||= begins;
		writeLine(item, 'day', newDay && dayName(item.at));
		writeLine(item, 'unread', begins && say('unread'));
		item.classList.toggle('grouped', !newDay && !begins && item.author === before.author && item.at - before.at < GROUP_MS);
		before = item;
	}
}

// A line above a message, or none; written only when it changes, since it is read out.
function writeLine(item, kind, text) {
	const line = part(item, kind);
	if (line?.textContent === text) return;
	line?.remove();
	if (text) item.prepend(make('h2', { className: kind }, text));
}

// Keeps the view at the end, or on the message being read.
function holdStill(change) {
	const end = atEnd();
	const edge = topOf(scroller);
	const anchor = messages().find((item) => item.getBoundingClientRect().bottom > edge);
	const was = topOf(anchor);
	change();
	arrange();
	if (end) scroller.scrollTop = 0;
	else if (anchor?.isConnected) scroller.scrollTop += topOf(anchor) - was;
	showJump();
}

function trim(atTheEnd) {
	const surplus = atTheEnd ? stored().slice(ROOM) : stored().slice(0, -ROOM);
	for (const item of surplus) item.remove();
	if (surplus.length) (atTheEnd ? newer : older).hidden = false;
}

function empty() {
	for (const item of stored()) item.remove();
	older.hidden = false;
}

// Thousands may come at once: they are put in together, once a frame.
function receive(message) {
	arrived.push(message);
	due ||= document.hidden ? setTimeout(flush, 50) : requestAnimationFrame(flush);
}

function flush() {
	due = 0;
	// My own message waits for the answer to its post, which tells its id.
	const batch = arrived.filter(({ author__name: name }) => !posting || name !== me);
	arrived = arrived.filter((message) => !batch.includes(message));
	const away = !atEnd();
	for (const message of batch.filter(({ id }) => id > newest)) {
		newest = message.id;
		if (message.author__name === me) continue;
		missed += away;
		notice(message);
	}
	if (!batch.length || !newer.hidden) return showJump();
	holdStill(() => {
		// Only the newest fit, and the old ones do not join on to them.
		if (batch.length > ROOM) empty();
		batch.slice(-ROOM).forEach(upsert);
		trim(away);
	});
}

// The answer, or nothing when the server is out of reach.
function ask(query) {
	return fetch(`/messages/?${new URLSearchParams(query)}`).catch(() => {});
}

// Puts history in. It is not news: a screen reader is not told.
async function load(query, change) {
	const answer = await ask(query);
	if (!answer?.ok) return;
	const found = await answer.json();
	list.ariaLive = 'off';
	holdStill(() => {
		change(found);
		found.forEach(upsert);
	});
	setTimeout(() => list.ariaLive = 'polite', 100);
	return found;
}

// Loads what comes before the first message, or after the last.
async function extend(back) {
	const edge = stored().at(back ? 0 : -1)?.number;
	if (loading || !edge) return;
	loading = true;
	const met = newest;
	await load(back ? { before: edge, limit: STEP } : { around: edge, limit: 2 * STEP }, (found) => {
		if (back) older.hidden = found.length < STEP;
		else newer.hidden = !(found.at(-1)?.id > edge) && met === newest;
	});
	loading = false;
	holdStill(() => trim(back));
}

async function goToEnd() {
	let found = true;
	while (found && !newer.hidden) {
		const met = newest;
		found = await load({ limit: STEP }, () => {
			empty();
			newer.hidden = met === newest; // else one came in between: once more
		});
	}
	scroller.scrollTop = 0;
}

// Shows a message, wherever in the history it is.
async function goToMessage(id) {
	if (!itemOf(id)) await load({ around: id, limit: STEP }, () => {
		empty();
		newer.hidden = false;
	});
	if (!itemOf(id)) return complain(say('gone'));
	location.hash = `m${id}`;
	itemOf(id).scrollIntoView({ block: 'center' });
}

function showJump() {
	if (atEnd()) missed = 0;
	jump.hidden = atEnd() || (!missed && newer.hidden && -scroller.scrollTop < scroller.clientHeight);
	jump.textContent = say(missed > 1 ? 'new_many' : missed ? 'new_one' : 'newest', { n: missed });
}

scroller.onscroll = () => {
	const fromStart = scroller.scrollHeight - scroller.clientHeight + scroller.scrollTop;
	if (!older.hidden && fromStart < NEAR_EDGE) extend(true);
	else if (!newer.hidden && -scroller.scrollTop < NEAR_EDGE) extend(false);
	showJump();
};
