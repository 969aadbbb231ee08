/** The sidebar with the devices of a homie-broker. */
import { render } from 'preact';
import { App } from './app';

/** Fills the sidebar. */
export function open(root: HTMLElement): void {
  render(<App root={root} />, root);
}
