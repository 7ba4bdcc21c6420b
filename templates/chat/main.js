// The start: the page as the server sent it comes to life, and then the stream opens.

function goToHash() {
  const id = Number(/^#m(\d+)$/.exec(location.hash)?.[1]);
  if (id) goToMessage(id);
}

// The names of days change then.
function atMidnight() {
  arrange();
  setTimeout(atMidnight, new Date().setHours(24, 0, 1) - Date.now());
}

messages().forEach(enliven);
for (const time of found.querySelectorAll('time')) writeTime(time, new Date(time.dateTime), fullTime);
if (touch.matches) box.enterKeyHint = 'enter'; // there only the button sends
else box.focus();
localStorage.name = me;

atMidnight();
restore();
goToHash();
list.ariaLive = 'polite';

connect();
setInterval(watch, 1000);
addEventListener('hashchange', goToHash);
