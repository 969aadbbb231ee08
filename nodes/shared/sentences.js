// The sidebar also uses this as a module of its own: the build bundles it into resources/sidebar-sentences.js.
import { render } from '../../src/texts/render';

/** Returns sentences from Node-RED in the language of the editor. */
export function sentences(says) {
  // The build puts the texts of errors into the catalog of homie-broker.
  const lookUp = (key, values) => RED._('@homie-ota/node-red-homie-ota/homie-broker:' + key, values);
  return says.map((each) => render(each, lookUp)).join(' ');
}
