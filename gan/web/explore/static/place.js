// Where this page is: its address; or, in a notebook, what the widget keeps for a frame that has none.

export const place = window.notebook || {
  get search() { return location.search; },
  get hash() { return location.hash; },
  get href() { return location.href; },
  keep(hash) { history.replaceState(null, "", hash); },
  go(link) { location.assign(link); },
};

// The address of a route for what this page shows, which may be a tuned model. asked: further values.
export function at(path, asked = {}) {
  const query = new URLSearchParams(place.search);
  for (const [key, value] of Object.entries(asked)) query.set(key, value);
  return String(query) ? `${path}?${query}` : path;
}
