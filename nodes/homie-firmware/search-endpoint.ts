import type { NodeAPI } from 'node-red';
import { asHomieError, HomieError, saysOf } from '../../src/errors';
import { searchSource } from '../../src/sources/search';
import { searchSentence, whyChosen, whyRefused } from '../../src/sources/report';
import { placeOf, sourceOf } from '../../src/sources/settings';
import type { Value } from '../../src/texts/text';
import { environmentOf } from '../shared/environment';
import type { Request } from '../shared/request';
import { UNCHANGED } from '../shared/secrets';
import { tryHandlers } from '../shared/try-route';
import { findFirmwareNode, type FirmwareNode } from './firmware-node';
import { readNodeSource, type NodeSource } from './firmware-settings';
import { workingFolderOf } from './working-folder';

/** What a search with the settings of a dialog found, or why nothing. Texts are for the language of the editor. */
interface TestAnswer {
  readonly found: boolean;
  readonly says: readonly Value[];
  /** One line for each chosen image, and for each refused file. */
  readonly chosen: readonly Value[];
  readonly refused: readonly Value[];
}

/** Maximum time that the user waits in the dialog, in ms. */
const PATIENCE = 30_000;

/** Maximum number of files to show of each kind. */
const MOST_SHOWN = 10;

/** A test connects to any server. Without a limit, it could be used to scan quickly for open ports. */
const LIMITS = { atOnce: 2, begun: 20, within: 60_000 } as const;

const tooMany = ['Too many searches were started.', 'Wait a minute, then test again.'] as const;

/** Registers the route with which the editor tests a search with the settings in a `homie-firmware` dialog. */
export function offerSearch(RED: NodeAPI): void {
  const answer = (fields: Request): Promise<TestAnswer> => answerTo(RED, fields);
  const refusals = { running: tooMany, begun: tooMany };
  RED.httpAdmin.post('/homie-ota/search', ...tryHandlers(RED, { limits: LIMITS, refusals, answer }));
}

/** Does not reject. */
async function answerTo(RED: NodeAPI, fields: Request): Promise<TestAnswer> {
  try {
    const { settings, credentials, shown } = readTyped(RED, fields);
    const source = sourceOf(settings, { workingFolder: workingFolderOf(RED), credentials, shown });
    const result = await searchSource(source, new Map(), PATIENCE, new AbortController().signal);
    return {
      found: result.chosen.length > 0,
      says: [searchSentence(source, result, new Set(result.chosen))],
      chosen: result.chosen.slice(0, MOST_SHOWN).map(whyChosen),
      refused: result.refused.slice(0, MOST_SHOWN).map(whyRefused),
    };
  } catch (error) {
    return { found: false, says: saysOf(asHomieError(error)), chosen: [], refused: [] };
  }
}

/** @throws {HomieError} INVALID_SETTING, SOURCE_SETTINGS */
function readTyped(RED: NodeAPI, fields: Request): NodeSource {
  const { id, user, password, token } = fields;
  const deployed = findFirmwareNode(RED, id);
  const isKept = password === UNCHANGED || token === UNCHANGED;
  const stored = deployed?.credentials;
  const typed = readNodeSource({
    fields,
    typed: fields,
    credentials: {
      user,
      password: password === UNCHANGED ? stored?.password : password,
      token: token === UNCHANGED ? stored?.token : token,
    },
    environment: environmentOf(RED, deployed),
  });
  if (isKept && typed.credentials !== undefined) refuseOtherPlace(typed, deployed);
  return typed;
}

/**
 * Refuses to search another place than that of the deployed node: a secret that the editor does not know goes only
 * there.
 */
function refuseOtherPlace({ settings }: NodeSource, deployed: FirmwareNode | undefined): void {
  const own = deployed?.own;
  if (own !== undefined && 'settings' in own && placeOf(own.settings) === placeOf(settings)) return;
  throw new HomieError('SOURCE_SETTINGS.stored');
}
