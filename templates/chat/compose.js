// Composing: the box, its draft, and the letters on their way until the server has stored them.

const form = byId('compose');
const box = byId('content');
const touch = matchMedia('(hover: none) and (pointer: coarse)');

const LIMIT = 16384; // characters in a message
const COUNTED = 500; // the counter shows when so few are left
const TYPING_MS = 3000; // at most one "typing" in this time

let outbox = []; // { client_id, content, failed, item }, the oldest first
let posting = false;
let editing = 0; // the id of the message being edited
let typedAt = 0;

function post(path, fields) {
  // A sign-in in another tab renews the cookie's token; the one in this page is then old.
  const token = /\bcsrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? form.csrfmiddlewaretoken.value;
  return fetch(path, {
    method: 'POST',
    headers: { 'X-CSRFToken': token, Accept: 'application/json' },
    body: new URLSearchParams(fields),
    signal: AbortSignal.timeout(20000),
  });
}

// The server's reason, beside the box; the lobby when the session is gone.
async function reasonOf(answer) {
  if (answer?.status === 403 && await sessionLost()) openLobby();
  const told = await answer?.json().catch(() => null);
  return told?.error ?? say('unsent');
}

function complain(sentence) {
  byId('error').textContent = sentence;
}

function send() {
  const content = box.value;
  if (!content.trim()) return;
  if (lengthOf(content) > LIMIT) return complain(say('too_long'));
  if (editing) return change(`/messages/${editing}/edit/`, { content }).then((done) => done && edit(0));
  const client_id = crypto.getRandomValues(new Uint32Array(4)).join('-');
  outbox.push({ client_id, content });
  unseenAfter = Infinity;
  writeIn('');
  goToEnd();
  deliver();
}

// Each letter is shown at the end of the log, with how it is doing.
function showOutbox() {
  holdStill(() => {
    for (const letter of outbox) {
      letter.item ??= upsert({ author__name: me, content: letter.content, created_at: new Date().toISOString() });
      const { item, failed } = letter;
      item.classList.toggle('failed', Boolean(failed));
      part(item, 'more')?.replaceWith(make('p', { className: 'state' }));
      part(item, 'state').textContent = failed ?? say('sending');
      if (failed) part(item, 'state').append(make('button', { onclick: () => retry(letter) }, say('retry')));
    }
  });
  sessionStorage.outbox = JSON.stringify(outbox.filter(({ failed }) => !failed).map(({ item, ...letter }) => letter));
}

function retry(letter) {
  delete letter.failed;
  deliver();
}

// One at a time, so that they arrive in the order they were written in.
async function deliver() {
  showOutbox();
  const letter = outbox.find(({ failed }) => !failed);
  if (posting || !letter) return;
  posting = true;
  const { client_id, content } = letter;
  const answer = await post('/create-message/', { content, client_id }).catch(() => null);
  const stored = answer?.ok && await answer.json().catch(() => ({}));
  posting = false;
  if (stored) settle(letter, stored);
  // Out of reach, too fast or too busy: it waits, though not when the stream comes back sooner.
  else if (!answer || answer.status === 429 || answer.status > 500) {
    return setTimeout(deliver, 1000 * (answer?.headers.get('Retry-After') ?? 3));
  } else letter.failed = await reasonOf(answer);
  flush();
  deliver();
}

function settle(letter, { id, created_at }) {
  outbox = outbox.filter((one) => one !== letter);
  holdStill(() => {
    letter.item.remove();
    if (id && newer.hidden) upsert({ id, created_at, author__name: me, content: letter.content });
    trim(false);
  });
}

function restore() {
  outbox = JSON.parse(sessionStorage.outbox ?? '[]');
  if (Number(form.dataset.edit)) edit(form.dataset.edit, box.value);
  else writeIn(sessionStorage.draft ?? '');
}

function openLobby() {
  location.assign('/lobby/');
}

// Puts a message of mine into the box, or with 0 the draft that was there before.
function edit(id, content = sessionStorage.draft ?? '') {
  editing = id;
  byId('editing').hidden = !id;
  part(form, 'go').textContent = say(id ? 'save' : 'send');
  writeIn(content);
  box.focus();
}

// Asks for a change, which then comes by the stream as everybody's; true when it was made.
async function change(path, fields) {
  const answer = await post(path, fields).catch(() => null);
  if (!answer?.ok) complain(await reasonOf(answer));
  return answer?.ok;
}

function writeIn(text) {
  box.value = text;
  onInput();
}

function onInput() {
  complain('');
  if (!editing) sessionStorage.draft = box.value;
  if (!CSS.supports('field-sizing', 'content')) {
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + 2}px`;
  }
  const left = LIMIT - lengthOf(box.value);
  byId('counter').textContent = left > COUNTED ? '' : say('left', { n: left });
}

// Characters as the server counts them: many an emoji is two of the string's own.
function lengthOf(text) {
  return text.length < LIMIT - COUNTED ? text.length : [...text].length;
}

box.addEventListener('input', () => {
  onInput();
  if (editing || !box.value || Date.now() - typedAt < TYPING_MS) return;
  typedAt = Date.now();
  post('/typing/').catch(() => {}); // nobody misses it
});

box.addEventListener('keydown', (event) => {
  // Enter that ends an input method's composition; Safari tells only by the code.
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey || (!event.shiftKey && !touch.matches))) {
    event.preventDefault();
    send();
  } else if (event.key === 'ArrowUp' && !box.value && !editing) {
    const last = stored().findLast((item) => item.matches('.mine:not(.deleted)'));
    if (last) event.preventDefault(), edit(last.number, last.text);
  } else if (event.key === 'Escape' && editing) edit(0);
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  send();
  box.focus();
});

onPress(byId('cancel'), () => edit(0));

document.addEventListener('click', (event) => {
  const { target } = event;
  const item = target.closest('.message');
  const open = part(list, 'more[open]');
  if (open && target.localName !== 'summary') open.open = false;
  if (target.closest('.edit')) edit(item.number, item.text);
  else if (target.closest('.delete')) change(`/messages/${item.number}/delete/`);
  else return;
  event.preventDefault();
});
