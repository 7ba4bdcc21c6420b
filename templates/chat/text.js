// Words: the visitor's texts, what people write as nodes, an author's colour, times and days.

const page = document.body.dataset;
const texts = JSON.parse(byId('texts').textContent);
const { lang } = document.documentElement;
// A British reader of the English page keeps British dates.
const locale = navigator.language.startsWith(lang.slice(0, 2)) ? navigator.language : lang;

let me = page.me;

function byId(id) {
	return document.getElementById(id);
}

function make(tag, properties, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

// The text called `key`, its {gaps} filled in.
function say(key, values) {
	return texts[key].replace(/\{(\w+)\}/g, (_, gap) => values[gap]);
}

// Fenced code with the line end after it, code in a line, or a link, without the stop or the bracket that may follow it.
const PIECES = /```(?:[\w+-]*\n)?([^]+?)\n?```\n?|`([^`\n]+)`|https?:\/\/(?:\([^\s()]*\)|[^\s()<>"`，。、；：！？（）《》「」])+(?<![.,;:!?'*])/gi;
const EMOJI_ONLY = /^(?:\p{RGI_Emoji}\s*){1,12}$/v;

function writeContent(element, content) {
	element.replaceChildren();
	let end = 0;
	for (const { 0: whole, 1: block, 2: inline, index } of content.matchAll(PIECES)) {
		element.append(content.slice(end, index));
		end = index + whole.length;
		if (block) element.append(make('pre', { tabIndex: 0 }, make('code', {}, block)));
		else if (inline) element.append(make('code', {}, inline));
		else element.append(make('a', { href: whole, target: '_blank', rel: 'noopener noreferrer' }, whole));
	}
	element.append(content.slice(end));
	element.classList.toggle('emoji', content.length < 120 && EMOJI_ONLY.test(content.trim()));
}

// FNV-1a, as the server has it.
function hueOf(name) {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
	return `h${hash % 24}`;
}

const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(locale, { dateStyle: 'full' });
const fullTime = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });

function dayName(date) {
	const day = new Date();
	if (date.toDateString() === day.toDateString()) return say('today');
	day.setDate(day.getDate() - 1);
	return date.toDateString() === day.toDateString() ? say('yesterday') : calendar.format(date);
}

// With an @ any name counts; without, one of three letters or more.
function namesMe(content) {
	const name = me.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
	return new RegExp(`(?<![\\p{L}\\p{N}])@${me.length > 2 ? '?' : ''}${name}(?![\\p{L}\\p{N}])`, 'iu').test(content);
}
