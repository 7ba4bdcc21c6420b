// Composing: the box, its draft, and the letters on their way until the server has stored them.

const form = byId('compose');
const box = byId('content');
const touch = matchMedia('(hover: none) and (pointer: coarse)').matches;

const LIMIT = 16384; // characters in a message
const COUNTED = 500; // the counter shows when no more are left
const TYPING_MS = 3000; // at most one "typing" in this time

let outbox = []; // { client_id, content, failed, item }, the oldest first
let posting = false;
let editing = 0; // the id of the message being edited
let typedAt = 0;

function post(path, fields) {
	// Another tab's sign-in renews the token in the cookie; the page's is then old.
	const token = /\bcsrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? form.csrfmiddlewaretoken.value;
	return fetch(path, {
		method: 'POST',
		headers: { 'X-CSRFToken': token, Accept: 'application/json' },
		body: new URLSearchParams(fields),
		signal: AbortSignal.timeout(20000),
	}).catch(() => null);
}

// Why the server refused. Without a session there is only the lobby; the tab keeps the draft.
async function reasonOf(answer) {
	if (answer?.status === 403 && await sessionLost()) location.assign('/lobby/');
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
	if (editing) return change(editing, 'edit', { content }).then((done) => done && edit(0));
	outbox.push({ client_id: crypto.getRandomValues(new Uint32Array(4)).join('-'), content });
	unseenAfter = Infinity;
	writeIn('');
	goToEnd();
	deliver();
}

// Each letter stands at the end of the log, with how it is doing.
function showOutbox() {
	holdStill(() => {
		for (const letter of outbox) {
			letter.item ??= upsert({ author__name: me, content: letter.content, created_at: new Date().toISOString() });
			const { item, failed } = letter;
			part(item, 'more')?.replaceWith(make('p', { className: 'state' }));
			part(item, 'state').textContent = failed ?? say('sending');
			item.classList.toggle('failed', Boolean(failed));
			if (failed) part(item, 'state').append(make('button', { onclick: () => retry(letter) }, say('retry')));
		}
	});
	sessionStorage.outbox = JSON.stringify(outbox, ['client_id', 'content']);
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
	const answer = await post('/create-message/', { content, client_id });
	const told = answer?.ok && await answer.json().catch(() => ({}));
	posting = false;
	if (told) settle(letter, told);
	flush();
	// Out of reach, too fast or too busy: it waits, or until the stream is back.
	if (!answer || answer.status === 429 || answer.status > 500) {
		return setTimeout(deliver, 1000 * (answer?.headers.get('Retry-After') ?? 3));
	}
	if (!told) letter.failed = await reasonOf(answer);
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

// Asks for a change, which comes by the stream as everybody's does.
async function change(id, what, fields) {
	const answer = await post(`/messages/${id}/${what}/`, fields);
	if (!answer?.ok) complain(await reasonOf(answer));
	return answer?.ok;
}

// Puts a message of mine into the box; with 0, the draft that was there before.
function edit(id, content = sessionStorage.draft ?? '') {
	editing = id;
	byId('editing').hidden = !id;
	part(form, 'go').textContent = say(id ? 'save' : 'send');
	writeIn(content);
	box.focus();
}

function writeIn(text) {
	box.value = text;
	onInput();
}

function onInput() {
	complain('');
	if (!editing) sessionStorage.draft = box.value;
	const left = LIMIT - lengthOf(box.value);
	byId('counter').textContent = left > COUNTED ? '' : say('left', { n: left });
}

// Characters as the server counts them: an emoji may be two of the string's own.
function lengthOf(text) {
	return text.length < LIMIT - COUNTED ? text.length : [...text].length;
}

box.oninput = () => {
	onInput();
	if (editing || !box.value || Date.now() - typedAt < TYPING_MS) return;
	typedAt = Date.now();
	post('/typing/');
};

box.onkeydown = (event) => {
	const { key, ctrlKey, metaKey, shiftKey } = event;
	// Enter that ends an input method's composition; Safari tells only by the code.
	if (event.isComposing || event.keyCode === 229) return;
	if (key === 'Enter' && (ctrlKey || metaKey || !(shiftKey || touch))) {
		event.preventDefault();
		send();
	} else if (key === 'ArrowUp' && !box.value && !editing) {
		const last = stored().findLast((item) => item.matches('.mine:not(.deleted)'));
		if (last) event.preventDefault(), edit(last.number, last.text);
	} else if (key === 'Escape' && editing) edit(0);
};

form.onsubmit = (event) => {
	event.preventDefault();
	send();
	box.focus();
};
