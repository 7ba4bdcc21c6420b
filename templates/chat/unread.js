// Unread: what came while nobody looked, told by title and icon, by sound or notification where wanted.

const plainTitle = document.title;

let unread = 0;
let mentions = 0;
let player;

// Somebody else's message has come for the first time.
function notice({ author__name: name, content }) {
	typing.delete(name);
	writeTyping();
	if (!document.hidden) return;
	unread += 1;
	mentions += namesMe(content);
	showUnread();
	if (localStorage.sound) chime();
	if (localStorage.notify) announce(name, content);
}

function showUnread() {
	document.title = `${unread ? `(${unread}${mentions ? `, @${mentions}` : ''}) ` : ''}${plainTitle}`;
	byId('icon').href = `/static/favicon${unread ? '-unread' : ''}.svg`;
}

function forgetUnread() {
	if (document.hidden) unseenAfter = newest;
	unread = mentions = 0;
	showUnread();
	holdStill(arrange);
}

// A soft note; made here, it needs no file.
function chime() {
	player ??= new AudioContext();
	const note = new OscillatorNode(player, { frequency: 720 });
	const level = new GainNode(player, { gain: 0.1 });
	level.gain.setTargetAtTime(0, player.currentTime + 0.06, 0.06);
	note.connect(level).connect(player.destination);
	note.start();
	note.stop(player.currentTime + 0.5);
}

function announce(name, content) {
	try {
		new Notification(name, { body: content.slice(0, 200), tag: 'chat' }).onclick = () => focus();
	} catch {
		localStorage.notify = ''; // some phones allow it to service workers only
	}
}

async function toggleNotify() {
	const allowed = isSecureContext && await Notification.requestPermission() === 'granted';
	byId('why').textContent = allowed ? '' : say(isSecureContext ? 'denied' : 'insecure');
	localStorage.notify = allowed && !localStorage.notify ? 'on' : '';
	showSwitches();
}

function toggleSound() {
	localStorage.sound = localStorage.sound ? '' : 'on';
	if (localStorage.sound) chime();
	showSwitches();
}

function showSwitches() {
	for (const id of ['sound', 'notify']) {
		byId(id).hidden = false;
		byId(id).ariaPressed = String(Boolean(localStorage[id]));
	}
}
