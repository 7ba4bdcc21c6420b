// The log: one stretch of the conversation, each message once, in order, and held still while it changes.

const scroller = byId('history');
const list = byId('log');
const older = byId('older');
const newer = byId('newer'); // shown while the page's stretch ends before the newest message
const jump = byId('jump');
const blank = byId('blank').content.firstElementChild;

const ROOM = 300; // messages in the page; more would slow it
const STEP = 40; // messages fetched at a time
const NEAR_END = 100; // pixels from the end that still count as reading the newest
const NEAR_EDGE = 600; // pixels from an edge at which more history is fetched
const GROUP_MS = 5 * 60 * 1000;

let newest = 0; // the highest message id met, shown or not
let unseenAfter = Infinity; // the unread line stands before the first message beyond this id
let missed = 0; // messages that came while the reader was further up
let arrived = []; // messages that wait for the next frame
let loading = false;

const messages = () => [...list.children];
const stored = () => messages().filter((item) => item.id);
const itemOf = (id) => byId(`m${id}`);
const part = (item, name) => item.querySelector(`.${name}`);
const atEnd = () => newer.hidden && -scroller.scrollTop <= NEAR_END;

// Brings what the server rendered to life: text enriched, times in the reader's zone.
function enliven(item) {
  const time = part(item, 'when').firstChild;
  item.number = Number(item.id.slice(1)) || Infinity; // what is still being sent stays last
  item.author = part(item, 'name').title;
  item.at = new Date(time.dateTime);
  writeTime(time, item.at, clock);
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
  item.className = `message ${hueOf(name)}`;
  item.id = id ? `m${id}` : '';
  if (name === me) item.classList.add('mine');
  else part(item, 'more').remove();
  signAs(item, name);
  part(item, 'when').href = `#m${id}`;
  part(item, 'when').firstChild.dateTime = created_at;
  part(item, 'content').textContent = content;
  part(item, 'edited').hidden = !edited;
  return enliven(item);
}

function signAs(item, name) {
  item.author = part(item, 'name').title = part(item, 'name').firstChild.textContent = name;
}

function rename({ from, to }) {
  if (from === me) me = to;
  for (const item of messages().filter(({ author }) => author === from)) {
    item.classList.replace(hueOf(from), hueOf(to));
    signAs(item, to);
  }
}

// Every event may come twice: a message that is here already is only brought up to date.
function upsert(message) {
  if (itemOf(message.id)) return message.edited && rewrite(message);
  const item = build(message);
  const before = messages().findLast((other) => other.number <= item.number);
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
  item?.classList.add('deleted');
  if (item) write(item, say('deleted'));
}

// Day lines, the unread line and groups follow from the messages alone.
function arrange() {
  let before;
  let unread;
  for (const item of messages()) {
    const newDay = before?.at.toDateString() !== item.at.toDateString();
    const begins = !unread && item.number > unseenAfter && item.author !== me;
    if (begins) unread = item;
    writeLine(item, 'day', newDay && dayName(item.at));
    writeLine(item, 'unread', begins && say('unread'));
    item.classList.toggle('grouped', !newDay && !begins && item.author === before.author && item.at - before.at < GROUP_MS);
    before = item;
  }
}

// A line above a message, or none. Written only when it changes, since it is read out.
function writeLine(item, kind, text) {
  const line = part(item, kind);
  if (!text) line?.remove();
  else if (!line) item.prepend(make('h2', { className: kind }, text));
  else if (line.textContent !== text) line.textContent = text;
}

// Makes a change and keeps the view where it is: at the end, or on the message being read.
function holdStill(change) {
  const end = atEnd();
  const top = scroller.getBoundingClientRect().top;
  const anchor = messages().find((item) => item.getBoundingClientRect().bottom > top);
  const was = anchor?.getBoundingClientRect().top;
  change();
  arrange();
  if (end) scroller.scrollTop = 0;
  else if (anchor?.isConnected) scroller.scrollTop += anchor.getBoundingClientRect().top - was;
  showJump();
}

function trim(fromEnd) {
  const items = stored();
  const surplus = fromEnd ? items.slice(ROOM) : items.slice(0, -ROOM);
  for (const item of surplus) item.remove();
  if (surplus.length) (fromEnd ? newer : older).hidden = false;
}

// A stream may bring thousands at once: they are put in together, once a frame.
function receive(message) {
  if (arrived.push(message) > 1) return;
  if (document.hidden) setTimeout(flush, 50);
  else requestAnimationFrame(flush);
}

function flush() {
  // My own message may overtake the answer to its post, which tells its id: it waits for that.
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
    // After a long absence only the newest fit, and the old ones do not join on to them.
    if (batch.length > ROOM) empty();
    for (const message of batch.slice(-ROOM)) upsert(message);
    trim(away);
  });
}

function empty() {
  for (const item of stored()) item.remove();
  older.hidden = false;
}

// Messages from the server's history; null when it cannot be asked.
async function fetchMessages(query) {
  const answer = await fetch(`/messages/?${new URLSearchParams(query)}`, { headers: { Accept: 'application/json' } }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

// History is not news: a screen reader is not told.
function insertHistory(found, change) {
  list.ariaLive = 'off';
  holdStill(() => {
    change(found);
    for (const message of found) upsert(message);
  });
  setTimeout(() => list.ariaLive = 'polite', 100);
}

// Fetches what comes before the first message, or after the last.
async function extend(back) {
  const edge = stored().at(back ? 0 : -1)?.number;
  if (loading || !edge) return;
  loading = true;
  const met = newest;
  const found = await fetchMessages(back ? { before: edge, limit: STEP } : { around: edge, limit: 2 * STEP });
  loading = false;
  if (!found) return;
  const further = found.filter(({ id }) => (back ? id < edge : id > edge));
  insertHistory(further, () => {
    if (back) older.hidden = further.length < STEP;
    else newer.hidden = !further.length && met === newest;
  });
  holdStill(() => trim(back));
}

function onScroll() {
  const fromStart = scroller.scrollHeight - scroller.clientHeight + scroller.scrollTop;
  if (!older.hidden && fromStart < NEAR_EDGE) extend(true);
  else if (!newer.hidden && -scroller.scrollTop < NEAR_EDGE) extend(false);
  showJump();
}

function showJump() {
  if (atEnd()) missed = 0;
  jump.hidden = atEnd() || (!missed && newer.hidden && -scroller.scrollTop < scroller.clientHeight);
  jump.textContent = say(missed > 1 ? 'new_many' : missed ? 'new_one' : 'newest', { n: missed });
}

async function goToEnd() {
  while (!newer.hidden) {
    const met = newest;
    const found = await fetchMessages({ limit: STEP });
    if (!found) return;
    // Once more when a message came in between.
    insertHistory(found, () => {
      empty();
      newer.hidden = met === newest;
    });
  }
  scroller.scrollTop = 0;
  showJump();
}

// Shows a message wherever in the history it is, with what stands around it.
async function goToMessage(id) {
  const found = itemOf(id) ? [] : await fetchMessages({ around: id, limit: STEP });
  if (found?.length) insertHistory(found, () => {
    empty();
    newer.hidden = false;
  });
  if (!itemOf(id)) return complain(say('gone'));
  location.hash = `m${id}`;
  itemOf(id).scrollIntoView({ block: 'center' });
}

scroller.addEventListener('scroll', onScroll, { passive: true });
onPress(jump, goToEnd);
onPress(newer, goToEnd);
onPress(older, () => extend(true));

// A link that works without the script, or a button, does this instead.
function onPress(element, act) {
  element.addEventListener('click', (event) => {
    event.preventDefault();
    act(event);
  });
}
