// What every page needs: the button for colours, requests with errors in words, news for screen readers,
// and a socket that comes back.

export const $ = (id) => document.getElementById(id);

const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
}

function showTheme() {
  $("theme").setAttribute("aria-pressed", String(isDark()));
}

$("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // storage is switched off: the choice ends with this page
  }
  showTheme();
});
dark.addEventListener("change", showTheme);
showTheme();

// Say something to a screen reader, without moving the focus.
export function announce(text) {
  $("live").textContent = text;
}

// The JSON of a path. body: an object to post. Throws an Error in words, with `status` and `answer`.
export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: is the command still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new Error(answer.error || `The server answered ${response.status}.`);
  throw Object.assign(error, { status: response.status, answer });
}

// Hear the server's messages for as long as the page is open. back(): after a gap, when news may be missed.
export function listen(heard, back) {
  let wait = 500, before = false;
  const open = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
    socket.onopen = () => {
      wait = 500;
      $("connection").textContent = "";
      if (before) back();
      before = true;
    };
    socket.onmessage = (event) => heard(JSON.parse(event.data));
    socket.onclose = () => {
      $("connection").textContent = "not connected";
      setTimeout(open, wait);
      wait = Math.min(2 * wait, 10000);
    };
  };
  open();
}
