// Draws the outcome grids: one byte a cell, in the order of the matrix (its last axis varies fastest).
"use strict";
const tones = getComputedStyle(document.documentElement);

function grid(host) {
  const data = JSON.parse(host.querySelector("script").textContent);
  const codes = Uint8Array.from(atob(data.codes), (c) => c.charCodeAt(0));
  const canvas = host.querySelector("canvas"), said = host.querySelector("output"), hint = said.textContent;
  const wrapped = data.rows === 1;  // a list of cells: several lines of it, so that it stays readable
  // Failures are drawn last: nothing hides them where cells are smaller than a pixel.
  const order = [...data.states.keys()].sort((a, b) => (data.states[a] === "failed") - (data.states[b] === "failed"));
  let perLine = data.columns, tall = 1;

  function arrange(wide) {
    if (wrapped) {
      tall = Math.min(10, Math.max(1, Math.sqrt(wide * 500 / data.columns)));
      perLine = Math.min(data.columns, Math.max(1, Math.floor(wide / tall)));
    } else {
      tall = Math.min(18, Math.max(1, 360 / data.rows));
    }
    return Math.ceil(data.columns / perLine) * data.rows * tall;
  }

  function draw() {
    const wide = canvas.clientWidth, high = arrange(wide), ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(wide * ratio); canvas.height = Math.round(high * ratio);
    canvas.style.height = high + "px";
    const pen = canvas.getContext("2d"), stepX = canvas.width / perLine, stepY = tall * ratio;
    const gapX = stepX > 4 * ratio ? ratio : 0, gapY = tall > 4 ? ratio : 0;
    for (const code of order) {
      pen.fillStyle = tones.getPropertyValue("--" + data.states[code]).trim();
      for (let cell = codes.indexOf(code); cell >= 0; cell = codes.indexOf(code, cell + 1)) {
        const [column, line] = place(cell), x = Math.round(column * stepX), y = Math.round(line * stepY);
        pen.fillRect(x, y, Math.max(1, Math.round((column + 1) * stepX) - x - gapX),
          Math.max(1, Math.round((line + 1) * stepY) - y - gapY));
      }
    }
  }

  function place(cell) {
    if (wrapped) return [cell % perLine, Math.floor(cell / perLine)];
    return data.flipped ? [cell % data.columns, Math.floor(cell / data.columns)]
      : [Math.floor(cell / data.rows), cell % data.rows];
  }

  function cellAt(column, line) {
    if (wrapped || data.flipped) return line * perLine + column;
    return column * data.rows + line;
  }

  function describe(cell) {
    let rest = data.pick ? data.pick[cell] : cell;
    const parts = [];
    for (const axis of [...data.axes].reverse()) {
      parts.unshift(axis.name + "=" + axis.values[rest % axis.values.length]);
      rest = Math.floor(rest / axis.values.length);
    }
    return parts.join(", ") + ": " + data.states[codes[cell]];
  }

  canvas.addEventListener("mousemove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * perLine);
    const cell = cellAt(column, Math.floor((event.clientY - box.top) / tall));
    said.textContent = cell >= 0 && cell < codes.length && column < perLine ? describe(cell) : hint;
  });
  canvas.addEventListener("mouseleave", () => { said.textContent = hint; });
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}

document.querySelectorAll(".outcomes").forEach(grid);
