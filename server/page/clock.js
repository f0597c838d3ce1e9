// Two clocks that together notice sleep: the monotonic one may stand still while the device sleeps, the wall
// clock may be set. An age is the larger of the two, so neither can make something old look fresh.

/** A moment on both clocks. */
export function moment() {
  return { steady: performance.now(), wall: Date.now() };
}

/** Milliseconds since `then`, at least 0. */
export function since(then) {
  return Math.max(performance.now() - then.steady, Date.now() - then.wall, 0);
}
