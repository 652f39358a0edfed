// The page in a notebook, as an anywidget: a frame with all of the page, whose requests and sockets are messages
// to the kernel. `gan/web/explore/notebook.py` answers them by the routes of the page.

let serial = 0;
const own = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`; // this script's, among others

// What stands in for a server within the frame of a model: fetch, WebSocket, and the place of the page.
function bridge(model, reload) {
  const waiting = new Map(); // id of a request or socket -> function of (content, bytes)
  const next = () => `${own}-${++serial}`;
  const heard = (content, buffers) => {
    const view = buffers?.[0];
    const bytes = view ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : new ArrayBuffer(0);
    waiting.get(content.id)?.(content, bytes);
  };
  model.on("msg:custom", heard);

  async function request(path, { method = "GET", body } = {}) {
    const bytes = body === undefined ? new ArrayBuffer(0) : await new Response(body).arrayBuffer();
    const id = next();
    return new Promise((answered) => {
      waiting.set(id, ({ status, headers }, answer) => {
        waiting.delete(id);
        answered(new Response(answer, { status, headers }));
      });
      model.send({ do: "request", id, method, path }, undefined, [bytes]);
    });
  }

  class Socket {
    static OPEN = 1;

    constructor(address) {
      this.readyState = 0;
      this.id = next();
      waiting.set(this.id, (content, bytes) => this.heard(content, bytes));
      model.send({ do: "open", id: this.id, path: address.replace(/^\w+:\/\/[^/]*/, "") });
    }

    heard({ kind }, data) {
      if (kind === "opened") {
        this.readyState = 1;
        this.onopen?.();
      } else if (kind === "frame") {
        this.onmessage?.({ data });
      } else {
        waiting.delete(this.id);
        this.readyState = 3;
        this.onclose?.();
      }
    }

    send(text) {
      model.send({ do: "say", id: this.id, text });
    }

    close() {
      model.send({ do: "close", id: this.id });
    }
  }

  const place = {
    search: "",
    hash: model.get("hash"),
    href: "",
    keep(hash) {
      model.set("hash", hash);
      model.save_changes();
    },
    go(link) {
      const [search, hash = ""] = link.slice(1).split("#");
      place.search = search;
      place.hash = `#${hash}`;
      close();
      reload();
    },
  };

  function close() {
    for (const [id] of waiting) model.send({ do: "close", id });
    waiting.clear();
  }

  return { fetch: request, WebSocket: Socket, place, end: () => { close(); model.off("msg:custom", heard); } };
}

export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.title = "Explore a model";
    frame.style.cssText = `width: 100%; height: ${model.get("height")}px; border: 1px solid #8884; border-radius: 10px;`;
    const reload = () => { frame.srcdoc = model.get("page"); };
    frame.bridge = bridge(model, reload);
    reload();
    el.append(frame);
    return () => frame.bridge.end();
  },
};
