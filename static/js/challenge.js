// Looks for the number of a puzzle and sends the form by itself. Without this file the small sum does the same.
const form = document.querySelector("[data-puzzle]");
const K = [];
const START = [];
for (let n = 2; K.length < 64; n += 1) {
  let prime = true;
  for (let d = 2; d * d <= n; d += 1) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  if (START.length < 8) START.push((Math.sqrt(n) % 1) * 4294967296 | 0);
  K.push((Math.cbrt(n) % 1) * 4294967296 | 0);
}
const W = new Int32Array(64);
const turn = (x, by) => (x >>> by) | (x << (32 - by));
// SHA-256 of a message of at most 55 letters of ASCII: one block. (crypto.subtle is slow in small pieces and absent on plain http.)
const sha256 = (message) => {
  W.fill(0);
  for (let i = 0; i < message.length; i += 1) W[i >> 2] |= message.charCodeAt(i) << (24 - 8 * (i & 3));
  W[message.length >> 2] |= 0x80 << (24 - 8 * (message.length & 3));
  W[15] = message.length * 8;
  for (let i = 16; i < 64; i += 1) {
    const a = W[i - 15], b = W[i - 2];
    W[i] = (W[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + W[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))) | 0;
  }
  let a = START[0], b = START[1], c = START[2], d = START[3], e = START[4], f = START[5], g = START[6], h = START[7];
  for (let i = 0; i < 64; i += 1) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
  }
  return [a, b, c, d, e, f, g, h].map((x, i) => (x + START[i]) | 0);
};
if (form) {
  const { nonce, target } = form.dataset;
  const wanted = target.match(/.{8}/g).map((word) => parseInt(word, 16) | 0);
  const most = Number(form.dataset.most);
  const bar = form.querySelector("progress");
  const sum = form.querySelector("[data-sum]");
  const working = form.querySelector("[data-working]");
  let n = 0;
  sum.hidden = true;
  working.hidden = false;
  const go = () => {
    const until = performance.now() + 24;
    while (performance.now() < until) {
      for (let i = 0; i < 64 && n < most; i += 1, n += 1) {
        const found = sha256(`${nonce}:${n}`);
        if (found[0] === wanted[0] && found.every((word, place) => word === wanted[place])) {
          form.querySelector("[name=puzzle_number]").value = n;
          bar.value = 1;
          form.submit();
          return;
        }
      }
      if (n >= most) { sum.hidden = false; working.hidden = true; return; }
    }
    bar.value = n / most;
    setTimeout(go);
  };
  go();
}
