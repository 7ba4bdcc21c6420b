// Unread: what came while nobody looked, told by the title, the icon and, if wanted, a sound or a notification.

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

// Two soft notes; a sound made here needs no file.
function chime() {
  player ??= new AudioContext();
  for (const [late, frequency] of [[0, 660], [0.12, 880]]) {
    const start = player.currentTime + late;
    const note = new OscillatorNode(player, { frequency });
    const level = new GainNode(player, { gain: 0.08 });
    level.gain.setTargetAtTime(0, start + 0.05, 0.06);
    note.connect(level).connect(player.destination);
    note.start(start);
    note.stop(start + 0.4);
  }
}

function announce(name, content) {
  try {
    new Notification(name, { body: content.slice(0, 200), tag: 'chat' }).onclick = () => focus();
  } catch {
    localStorage.notify = ''; // some phones allow notifications to service workers only
  }
}

async function allowNotifications() {
  const allowed = isSecureContext && await Notification.requestPermission() === 'granted';
  byId('why').textContent = allowed ? '' : say(isSecureContext ? 'denied' : 'insecure');
  return allowed;
}

// A switch kept on this device, which may have to be allowed first.
function setUp(name, allow) {
  const button = byId(name);
  const show = () => button.ariaPressed = String(Boolean(localStorage[name]));
  button.hidden = false;
  show();
  onPress(button, async () => {
    localStorage[name] = !localStorage[name] && await allow() ? 'on' : '';
    show();
  });
}

setUp('sound', () => chime() ?? true);
setUp('notify', allowNotifications);

document.addEventListener('visibilitychange', () => {
  flush();
  if (document.hidden) unseenAfter = newest;
  unread = mentions = 0;
  showUnread();
  holdStill(() => {});
});
