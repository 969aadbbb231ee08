/** Runs a piece of work when all pieces before it have ended, and returns its result. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Returns a function that runs one piece of work after the other, whether or not the pieces before it failed. */
export function oneAfterAnother(): InTurn {
  let turn: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
}
