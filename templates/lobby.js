// The lobby remembers: the last name used on this device, and that a draft is waiting in this tab.

const field = document.getElementById('username');

field.value ||= localStorage.name ?? '';
field.onfocus = () => field.select();
document.getElementById('kept').hidden = !sessionStorage.draft && !(sessionStorage.outbox?.length > 2);
