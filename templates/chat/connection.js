// The connection: one event stream that always comes back, and a quiet line while it is away.

const QUIET_MS = 3000; // an absence shorter than this is not worth a word
const LONGEST_MS = 30000; // the longest pause between two tries
const FULL_MS = 15000; // the pause when the server has no room

let stream;
let cursor = page.head;
let tries = 0;
let heardAt = 0;
let lostAt = 0; // 0 while the stream is live
let nextTry = 0; // when the next try is due; 0 while one is under way
let timer = 0;
let parked = false;
let reason = 'reconnecting';

const events = {
	message: receive,
	hello: greet,
	edited: (change) => holdStill(() => rewrite(change)),
	deleted: (change) => holdStill(() => strikeOut(change)),
	renamed: (change) => holdStill(() => rename(change)),
	presence: showPresence,
	typing: showTyping,
	ping() {},
	reset() {
		empty();
		newest = 0;
		older.hidden = newer.hidden = true;
	},
	full() {
		reason = 'full';
		comeBack(FULL_MS);
	},
	// A browser has six connections for all its tabs: the oldest hidden one gives its own up.
	parked() {
		parked = document.hidden;
		if (parked) stream.close();
	},
};

function connect() {
	stream?.close();
	clearTimeout(timer);
	parked = false;
	nextTry = 0;
	heardAt = Date.now();
	lostAt ||= heardAt;
	const own = stream = new EventSource(`/stream-chat-messages/?last_event_id=${cursor}&tab=1`);
	for (const [type, act] of Object.entries(events)) {
		own.addEventListener(type, ({ data, lastEventId }) => {
			heardAt = Date.now();
			cursor = lastEventId || cursor;
			if (act !== receive) flush(); // what happens to a message happens after it has come
			act(JSON.parse(data));
		});
	}
	own.onerror = async () => {
		const refused = own.readyState === EventSource.CLOSED;
		own.close();
		if (refused && await sessionLost()) location.assign('/lobby/');
		else if (own === stream) comeBack();
	};
}

function greet({ epoch, you }) {
	// Another database, or another name by another tab's sign-in.
	if (epoch !== page.epoch || you !== me) return location.reload();
	tries = lostAt = 0;
	reason = 'reconnecting';
	showConnection();
	deliver();
}

// The page keeps the pauses itself: it can say when, and no two come at once.
function comeBack(pause = Math.min(LONGEST_MS, 1000 * 1.7 ** tries) * (0.75 + Math.random() / 2)) {
	stream.close();
	tries += 1;
	lostAt ||= Date.now();
	nextTry = Date.now() + pause;
	timer = setTimeout(connect, pause);
	showConnection();
}

// Only the server can say so; one out of reach does not.
async function sessionLost() {
	return (await ask({ limit: 1 }))?.status === 403;
}

function showConnection() {
	const wait = Math.ceil((nextTry - Date.now()) / 1000);
	byId('connection').hidden = !lostAt || Date.now() - lostAt < QUIET_MS;
	// Written only when it changes, since it is read out; the countdown is not.
	if (byId('status').textContent !== say(reason)) byId('status').textContent = say(reason);
	byId('countdown').textContent = wait > 0 ? say('next_try', { n: wait }) : '';
}

// A stream that has been silent for this long is dead, whatever the browser thinks.
function watch() {
	if (parked) return;
	if (lostAt) showConnection();
	if (!nextTry && Date.now() - heardAt > 2.5 * page.heartbeat) connect();
}
