// The socket of this tab: JSON objects go out, frames of a header and bytes come in.

import { $ } from "/static/shell/shell.js";
import { at } from "./place.js";

const hearers = new Map(); // kind of a frame -> functions
let socket, wait = 500;
export const tab = { number: null };

// heard(header, bytes) for every frame of a kind.
export function hear(kind, heard) {
  if (!hearers.has(kind)) hearers.set(kind, []);
  hearers.get(kind).push(heard);
}

export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

export function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${at("/socket")}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    wait = 500;
    $("connection").textContent = "";
  };
  socket.onmessage = ({ data }) => {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    if (header.kind === "hello") tab.number = header.tab;
    for (const heard of hearers.get(header.kind) || []) heard(header, new Uint8Array(data, 4 + length));
  };
  socket.onclose = () => {
    tab.number = null;
    $("connection").textContent = "not connected";
    for (const heard of hearers.get("lost") || []) heard({}, null);
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, 10000);
  };
}
