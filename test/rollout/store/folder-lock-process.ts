import { FolderLock } from '../../../src/rollout/store/folder-lock';

/** A process that uses a folder, reports changes, and answers whether it owns the folder. */
const [, , folder = '', timing = ''] = process.argv;

const tell = (message: object): void => {
  process.send?.(message);
};

const lock = FolderLock.of(folder, JSON.parse(timing));
lock.on('owned', () => tell({ event: 'owned' }));
lock.on('lost', () => tell({ event: 'lost' }));
process.on('message', (message) => {
  if (message === 'ask') tell({ event: 'answer', isOwner: lock.isOwner, why: lock.whyNot()?.code });
  if (message === 'exit') process.exit();
});
process.on('disconnect', () => process.exit());
lock.enter();
void lock.decided().then((isOwner) => tell({ event: 'decided', isOwner }));
