// Search: found while one types; a click on a result goes there in the history.

const field = byId('search');
const found = byId('found');
const more = byId('more');

const PAUSE_MS = 250; // the pause in typing that starts a search
const CONTEXT = 60; // characters shown before what was found

let searchTimer = 0;

async function search(before) {
	const text = field.value.trim();
	if (!text) return closeSearch();
	const answer = await ask({ q: text, ...before });
	if (!answer?.ok || text !== field.value.trim()) return;
	const hits = await answer.json();
	if (!before) found.replaceChildren();
	found.append(...hits.map((hit) => resultOf(hit, text)));
	more.hidden = hits.length < STEP;
	more.value = hits.at(-1)?.id;
	byId('results').hidden = false;
}

function resultOf({ id, author__name: name, content, created_at }, text) {
	const at = content.toLowerCase().indexOf(text.toLowerCase());
	const start = at > CONTEXT ? at - CONTEXT : 0;
	const end = at + text.length;
	const context = make('span', { className: 'content', dir: 'auto' }, start ? '…' : '', content.slice(start, at),
		make('mark', {}, content.slice(at, end)), content.slice(end, end + 3 * CONTEXT));
	const time = make('time', {}, fullTime.format(new Date(created_at)));
	return make('li', {}, make('a', { href: `#m${id}` }, make('bdi', {}, name), ' ', time, context));
}

function closeSearch() {
	field.value = '';
	byId('results').hidden = true;
}

field.oninput = () => {
	clearTimeout(searchTimer);
	searchTimer = setTimeout(search, PAUSE_MS);
};

field.form.onsubmit = (event) => {
	event.preventDefault();
	search();
};
