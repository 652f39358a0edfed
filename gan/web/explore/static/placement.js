// Moving and turning the input of StyleGAN3.

import { make, panel, slider } from "./controls.js";
import * as store from "./store.js";

export function build(model) {
  if (!model.movable) return;
  const body = panel("panel-placement", "Position", "move and turn the input", { open: true });
  const reach = { min: -0.5, max: 0.5, step: 0.005, initial: 0, title: "in sides of the picture" };
  const turned = { min: -180, max: 180, step: 1, initial: 0, title: "degrees" };
  const across = slider("Right", reach, (x, moving) => store.change({ shift: [x, store.point().shift[1]] }, moving));
  const down = slider("Down", reach, (y, moving) => store.change({ shift: [store.point().shift[0], y] }, moving));
  const turn = slider("Turn", turned, (degrees, moving) => store.change({ turn: degrees }, moving));
  const back = make("button", { type: "button", onclick: () => store.change({ shift: [0, 0], turn: 0 }) }, "Back to the middle");
  body.append(across.element, down.element, turn.element, make("div", { class: "row ends" }, make("span", { class: "note" }), back));
  store.onChange(({ point }) => {
    across.show(point.shift[0]);
    down.show(point.shift[1]);
    turn.show(point.turn);
  });
}
