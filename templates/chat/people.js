// People: who is here, who is typing, and calling somebody by name.

const order = new Intl.Collator(locale).compare;

const TYPING_SEEN_MS = 5000; // how long somebody counts as typing

const rows = new Map(); // a person's row, by name; kept, since the focus may be there
const typing = new Map(); // when each one's typing ends

function showPresence({ online, count }) {
	for (const element of document.querySelectorAll('.count')) element.textContent = count;
	const focused = document.activeElement;
	byId('online').replaceChildren(...online.sort(order).map(rowOf));
	focused.focus();
}

function rowOf(name) {
	const button = make('button', { className: `name ${hueOf(name)}`, title: name }, make('bdi', {}, name));
	if (!rows.has(name)) rows.set(name, make('li', {}, button, name === me ? make('small', {}, say('you')) : ''));
	return rows.get(name);
}

function showTyping({ name }) {
	if (name !== me) typing.set(name, Date.now() + TYPING_SEEN_MS);
	writeTyping();
	setTimeout(writeTyping, TYPING_SEEN_MS);
}

function writeTyping() {
	for (const [name, end] of typing) if (end <= Date.now()) typing.delete(name);
	const [name] = typing.keys();
	byId('typing').textContent = name ? say(typing.size > 1 ? 'typing_many' : 'typing_one', { name }) : '';
}

function mention(name) {
	const { selectionStart: start, selectionEnd: end, value } = box;
	box.setRangeText(`${/\S$/.test(value.slice(0, start)) ? ' ' : ''}@${name} `, start, end, 'end');
	byId('people').hidePopover();
	box.focus();
	onInput();
}
