import { plainText } from './plain-text';

/**
 * Every error of the package, in one place: a stable code, what it means, what to do about it, and whether
 * the same call may work later without anything being changed. The catalogue in docs/errors.md is made from this list.
 */
export const catalogue = {
  // What the flow asks for
  UNKNOWN_ACTION: entry('The action is not one that this node knows.', 'Use one of the actions listed in the help.'),
  INVALID_SETTING: entry('A setting or a message property has a value that makes no sense.', 'Correct the value.'),
  UNKNOWN_SETTING: entry(
    'msg.options has a setting that this node does not have.',
    'Use the names of the settings that are listed in the help.',
  ),
  NO_DEVICE: entry(
    'Neither the message nor the node says which device is meant.',
    'Set msg.device, or the device in the node. To update every device that runs this firmware, choose that explicitly in the node.',
  ),
  INVALID_DEVICE_ID: entry(
    'A device id has characters that no Homie device has.',
    'A device id has 1 to 32 of the characters a-z, 0-9 and -.',
  ),
  NO_MATCH: entry(
    'No known device runs this firmware.',
    'Compare the name in the firmware (Homie_setFirmware) with $fw/name of the devices, and check the base topic.',
  ),
  UNKNOWN_JOB: entry('There is no such job in this node.', 'Use the job id from the progress message.'),
  NO_BROKER: entry('The node has no homie-broker.', 'Choose a homie-broker in the node and deploy.'),
  DEVICE_BUSY: entry(
    'The device has a job already, and one device takes one job at a time.',
    'Wait for that job to end, or cancel it.',
    true,
  ),
  REBOOT_PENDING: entry(
    'An earlier update of the device may still have to be booted; a second image could overwrite the staged one.',
    'Wait until the device has restarted, or power-cycle it.',
    true,
  ),
  DEVICE_PRESENT: entry(
    'The device is neither lost nor disconnected, so what is retained of it is in use.',
    'Only a device whose $state is lost or disconnected can be forgotten.',
  ),
  DEVICE_RETURNED: entry(
    'The device gave a sign of itself while its retained topics were being cleared; no more of them were cleared.',
    'It publishes its topics anew when it connects. Restart it if some are missing.',
  ),
  NOT_CLEARED: entry(
    'The broker still has retained topics of the device, or shows none of them.',
    'Allow this user to read and write all topics below the device (ACL).',
  ),

  // What comes in as firmware
  PAYLOAD_TYPE: entry(
    'msg.payload is not something that can hold a firmware.',
    'Give a Buffer: in a file-in node choose "a single Buffer object", in an http request node "a binary buffer".',
  ),
  FIRMWARE_EMPTY: entry('The firmware is empty.', 'Check that the file was read to its end and is not empty.'),
  FIRMWARE_IS_HTML: entry(
    'This is an HTML page, not a firmware.',
    'The download answered with a page (login, not found, redirect). Check the address and the credentials.',
  ),
  FIRMWARE_IS_TEXT: entry('This is text, not a firmware.', 'Give the .bin file that the build made, as a Buffer.'),
  FIRMWARE_TOO_LARGE: entry(
    'The firmware is larger than any device could take.',
    'Images may have at most 16 MiB, also after decompression.',
  ),
  FIRMWARE_GZIP: entry('The gzip data is damaged.', 'Compress the image again, or give it uncompressed.'),
  FIRMWARE_BASE64: entry('The base64 text is damaged.', 'Encode the image again, or give it as a Buffer.'),
  FIRMWARE_MAGIC: entry(
    'This is not an ESP8266 or ESP32 image: it does not begin with 0xE9.',
    'Give firmware.bin as the build made it: not the .elf, not the file system image.',
  ),
  FIRMWARE_TRUNCATED: entry(
    'The image is cut off: it ends before its last segment or checksum.',
    'The download or the build was interrupted. Get the file again.',
  ),
  FIRMWARE_DAMAGED: entry(
    'The structure of the image makes no sense.',
    'Build the image again; it may be damaged, or not an application image.',
  ),
  FIRMWARE_FACTORY: entry(
    'This is a factory image: a boot loader and a partition table stand before the application. No device would start with it after an update.',
    'Give the application alone: firmware.bin of the build, not the merged or factory file.',
  ),
  FIRMWARE_DUMP: entry(
    'This is a copy of the whole flash of a device, not a firmware. It may hold secrets, such as the password of the Wi-Fi.',
    'Give the .bin file that the build made, and keep the copy where nobody else can read it.',
  ),
  FIRMWARE_PART: entry(
    'This is only a part of an ESP8266 image. The device would accept it and lose its boot loader.',
    'Give the combined file: firmware.bin of PlatformIO (pio run), or the .bin that the Arduino IDE exports.',
  ),
  FIRMWARE_FLASH_MODE: entry(
    'The flash mode in the image is none that an ESP8266 knows, so the device would refuse the image.',
    'Build the image again with the flash mode of the board: QIO, QOUT, DIO or DOUT.',
  ),
  FIRMWARE_CHECKSUM: entry(
    'The checksum in the image does not match its bytes: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  FIRMWARE_CRC: entry(
    'The CRC32 in the image does not match its bytes: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  FIRMWARE_SHA256: entry(
    'The SHA-256 at the end of the image does not match its bytes: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  CHECKSUM_MISMATCH: entry(
    'msg.checksum is not the MD5 of the firmware.',
    'The file is damaged, or the checksum belongs to another file. It must be the MD5 of the plain image.',
  ),
  NOT_HOMIE: entry(
    'The image carries no Homie signature: it is not a Homie firmware, and the device could not be updated again.',
    'Build it with Homie for ESP8266. Use allowIncompatible only if you are sure.',
  ),
  WRONG_CHIP: entry(
    'The image is built for another chip than that of the device.',
    'Build it for the chip of the device. A wrong image makes the device unusable.',
  ),
  WRONG_FIRMWARE: entry(
    'The image is another firmware than the one on the device.',
    'Choose the right device or file. To change a device over to another firmware, use allowIncompatible.',
  ),

  // What comes in as configuration
  PATCH_TYPE: entry(
    'msg.payload is not a patch: neither an object nor the JSON text of one.',
    'Give an object such as {"settings":{"brightness":42}}, or its JSON text.',
  ),
  PATCH_JSON: entry(
    'The patch is not valid JSON.',
    'Give an object, or text with double quotes, without comments, trailing commas or a byte order mark.',
  ),
  PATCH_NESTING: entry('The patch is nested deeper than the 10 levels that a device reads.', 'Make the patch flatter.'),
  PATCH_CHARACTER: entry(
    'The patch has a character that could only be sent as a \\u escape, which the device refuses.',
    'Remove control characters and halves of surrogate pairs.',
  ),
  PATCH_VALUE: entry(
    'The patch holds something that JSON has no form for.',
    'Use text, finite numbers, true, false, null, arrays and plain objects only.',
  ),
  PATCH_MASKED: entry(
    'The patch holds •••, which is shown in place of secrets: the device would take it for the secret itself.',
    'Leave out what is to stay as it is, and give the secrets that are to change.',
  ),
  NUMBER_PRECISION: entry(
    'The number has more digits than the device keeps.',
    'Use at most six digits and six decimals, or a whole number of 32 bits.',
  ),
  CONFIG_UNKNOWN: entry(
    'The device has not published its configuration, so a patch cannot be checked against it.',
    'Wait until the device has been online, and check the device id and the base topic.',
    true,
  ),
  CONFIG_UNREADABLE: entry(
    'The configuration that the device published is not a JSON object in UTF-8.',
    'Correct the configuration at the device itself.',
  ),
  CONFIG_RULE: entry('The device would refuse the configuration.', 'Correct the value.'),
  CONFIG_HARM: entry('The device would accept the value, to its harm.', 'Correct the value.'),
  DEVICE_ID_TAKEN: entry(
    'Another device has this device id, and two devices with one id throw each other off the broker.',
    'Choose an id that no other device has.',
  ),
  PATCH_TOO_LARGE: entry(
    'The patch needs more memory than the device has for it.',
    'Send less at a time, or let it be split (split).',
  ),
  MERGE_TOO_LARGE: entry(
    'The device has not the memory to merge the patch and would lose values of it without a word.',
    'Send less at a time, or let it be split (split).',
  ),
  CONFIG_TOO_LARGE: entry(
    'The configuration would become too large, and the device would not start with it any more.',
    'Remove settings that are not needed, or make texts shorter.',
  ),
  CONFIG_UNPUBLISHABLE: entry(
    'The configuration would become too long to be published, and the device could hang at every start.',
    'Make the configuration, the base topic or the device id shorter. Set segment to 1460 only if the device was built for that segment size.',
  ),
  RISK_NOT_ALLOWED: entry(
    'The patch changes what the device needs to be reached or updated.',
    'Read the risks, and set allowRisky if you are sure.',
  ),
  NOT_RECEIVED: entry(
    'The device gave no sign that it received the patch.',
    'It may be gone without the broker having noticed, or the broker did not deliver the patch (ACL). It is not repeated.',
    true,
  ),
  NOT_APPLIED: entry(
    'The device received the patch, but did not reboot in time.',
    'It refused the patch without a word, or has written it and waits for a busy sketch.',
  ),
  VALUE_LOST: entry(
    'The device rebooted, but its configuration does not hold what was expected.',
    'Read which paths were lost, and send them again, fewer at a time.',
  ),

  // The device's topics
  INVALID_BASE_TOPIC: entry(
    'The base topic cannot be used.',
    'It may have several levels, but no + and no #, and it must not begin with $.',
  ),
  TOPIC_TOO_LONG: entry(
    'The firmware topic would be longer than the 129 characters that a device can receive.',
    'Base topic and device id together may have 67 characters at most. Shorten one of them.',
  ),

  // The broker
  BROKER_SETTINGS: entry(
    'The settings of the broker cannot be used.',
    'Correct the settings of the homie-broker node.',
  ),
  BROKER_UNREACHABLE: entry('The broker cannot be reached.', 'Check host and port, and that the broker runs.', true),
  BROKER_REFUSED: entry(
    'The broker refused the connection: bad user name or password.',
    'Check user name and password in the homie-broker node.',
  ),
  BROKER_TLS: entry(
    'The TLS connection to the broker failed.',
    'Check the CA certificate, the host name in the certificate, and that the port speaks TLS.',
  ),
  BROKER_PROTOCOL: entry(
    'The broker does not speak MQTT as it should.',
    'Check that the port is the one for MQTT (or for WebSocket, when the URL begins with ws).',
  ),
  NOT_CONNECTED: entry(
    'There is no connection to the broker; nothing was sent.',
    'Wait until the homie-broker is connected.',
    true,
  ),
  STILL_RECEIVING: entry(
    'The broker is still sending what it has retained, so it is not known yet which devices there are.',
    'Try again when the homie-broker has received all of it.',
    true,
  ),
  PACKET_TOO_LARGE: entry(
    'The broker does not take messages as large as this firmware.',
    'Raise the limit of the broker (mosquitto: max_packet_size and message_size_limit).',
  ),
  SUBSCRIBE_REFUSED: entry(
    'The broker refused to let this user subscribe to topics of the devices.',
    'Allow this user to read these topics in the ACL of the broker.',
  ),
  PUBLISH_DENIED: entry(
    'The broker does not allow this user to publish there.',
    'Allow this user to write to <base topic>+/$implementation/ota/firmware/+ and .../config/set.',
  ),
  PUBLISH_REFUSED: entry('The broker refused the message.', 'Look into the log of the broker.'),
  PUBLISH_TIMEOUT: entry(
    'The broker did not acknowledge the firmware in time.',
    'Check the network between Node-RED and the broker, and raise the deadline for sending.',
    true,
  ),
  CONNECTION_LOST: entry(
    'The connection to the broker was lost while the firmware was being sent.',
    'Check the network and the broker.',
    true,
  ),
  CLOSED_AT_PUBLISH: entry(
    'The broker closed the connection while the firmware was being sent, and the device gave no sign of it.',
    'Look into the log of the broker: the firmware may be larger than it allows (mosquitto: max_packet_size), or an ACL, a quota or its maximum QoS may forbid it.',
  ),

  // The exchange with a device
  DEVICE_OFFLINE: entry(
    'The device was not ready before the job expired.',
    'Check power and Wi-Fi of the device, or let the job wait longer (expires).',
    true,
  ),
  DEVICE_UNKNOWN: entry(
    'Nothing has been seen of this device.',
    'Check the device id and the base topic of the homie-broker.',
    true,
  ),
  NOT_ACCEPTED: entry(
    'The device gave no sign that it received the firmware.',
    'The broker may have dropped it (ACL, message_size_limit), or the device may be gone. Look into the log of the broker.',
    true,
  ),
  STALLED: entry(
    'The device began to take the firmware and then gave no more sign.',
    'Check power and Wi-Fi signal of the device. It takes no other job until it connects anew, unless it shows that it is idle.',
    true,
  ),
  LOST_IN_TRANSFER: entry(
    'The device lost its connection or restarted in the middle of the transfer, and still runs the old firmware.',
    'Check power supply and Wi-Fi signal of the device, then try again.',
    true,
  ),
  NOT_REBOOTED: entry(
    'The firmware is flashed, but the device has not rebooted.',
    'The sketch is busy (Homie.setIdle(false)). The new firmware starts with the next reboot.',
  ),
  NOT_BACK: entry(
    'The device rebooted and did not come back in time.',
    'An image built for another flash layout or file system finds no config.json: look for an access point that the device opened. Else power-cycle it.',
  ),
  NOT_READY: entry(
    'The device came back but did not become ready in time.',
    'The new firmware may hang in its setup, or the connection was lost again.',
  ),
  OLD_FIRMWARE: entry(
    'The device rebooted, but runs the old firmware.',
    'The boot loader did not take the new image. Check that it fits the flash layout of the device.',
  ),
  OTHER_FIRMWARE: entry(
    'The device rebooted with a firmware that is neither the old one nor the new one.',
    'Somebody else may have updated the device, or the image was changed on its way.',
  ),
  OTHER_DEVICE: entry(
    'Another device answers under this device id: its $mac is a different one.',
    'Give each device an id of its own. If something was sent already, restart the device that received it.',
  ),
  REBOOT_UNPROVEN: entry(
    'The device runs the checksum it ran before, and whether it rebooted since cannot be told.',
    'Only $stats/uptime proves a reboot: the device sends none, or had just booted before, or was out of sight meanwhile. Wait for its statistics or restart it, and look at what it runs.',
  ),
  ANOTHER_UPDATER: entry(
    'Somebody else is updating this device.',
    'Let only one tool update a device at a time.',
    true,
  ),
  FORCE_NOT_SUPPORTED: entry(
    'The device refuses to take the image that it already runs.',
    'Its firmware has no way to reinstall the same image. Build an image that differs.',
  ),
  BASE64_FAILED_BEFORE: entry(
    'Base64 has failed on this device before and can leave its updater stuck; it is not tried again.',
    'Send the firmware as binary, which is the default.',
  ),
  BASE64_IMPOSSIBLE: entry(
    'This image cannot be sent to this device as base64: the device would never answer it.',
    'Send the firmware as binary, which is the default.',
  ),
  FACTS_MISSING: entry(
    'The device is ready, but does not publish what an update needs; it probably does not run Homie for ESP8266.',
    'Choose a device that runs Homie for ESP8266. If this one does, allow this user to read its topics (ACL).',
  ),
  CHECKSUM_MISSING: entry(
    'The device came back but did not publish $fw/checksum, so what runs on it is not known.',
    'Check that its topics reach this user (ACL).',
  ),
  UNCONFIRMED: entry(
    'The retained topics of the device name another firmware than before, but no live sign of the device confirms it.',
    'The connection to the broker was lost meanwhile. Wait until the device sends its statistics, and check again.',
    true,
  ),
  UPDATER_STUCK: entry(
    'The updater of the device is stuck, and restarting the device did not help or is switched off.',
    'Power-cycle the device, or let the node restart it (recoverReboot).',
    true,
  ),
  ROLLOUT_STOPPED: entry(
    'Too many devices failed, so no more are started.',
    'Find out why, then send the action resume for the other devices, or retry for all that failed, too.',
  ),
  CANARY_UNSTABLE: entry(
    'A device that was to be proven first did not stay ready after its update, so no more are started.',
    'Look at that device; then send the action resume, or a better firmware.',
  ),
  WINDOW_CLOSED: entry(
    'The maintenance window did not open in time.',
    'Choose a wider window, or let the job wait longer (expires).',
    true,
  ),
  SECRET_NOT_KEPT: entry(
    'The patch holds a secret value, which is never written to a file, so it is gone since the restart.',
    'Send the patch once more.',
  ),
  JOB_FILE_DAMAGED: entry(
    'The file of a job is damaged, so that the job cannot go on.',
    'It is set aside as *.damaged. Look at its devices, and send the firmware or patch once more.',
  ),
  JOB_FILE_NEWER: entry(
    'The file of a job was written by a later version of this package.',
    'Install that version again, or delete the file.',
  ),
  JOB_FILE_UNREADABLE: entry(
    'The file of a job cannot be read.',
    'Let the user that runs Node-RED own the folder and read and write all that is in it.',
  ),
  USER_DIR_IN_USE: entry(
    'Another Node-RED uses the same user directory, so that this one sends nothing to any device.',
    'Stop the other Node-RED, or give it another user directory.',
    true,
  ),
  FIRMWARE_NOT_KEPT: entry(
    'The firmware of a job is not kept any more, or is damaged, so that the job cannot go on.',
    'Send the firmware once more.',
  ),
  JOB_ELSEWHERE: entry(
    'The broker or the base topic of a node was changed, so that a job for the devices there cannot go on.',
    'Send the firmware or patch once more.',
  ),
  JOB_NOT_SAVED: entry(
    'A job cannot be written to its file, so that it would not survive a restart; it goes on all the same.',
    'Check the free space of the disk, and that the user that runs Node-RED may write there.',
  ),
  JOB_FILES_OPEN: entry(
    'Other users of the computer may be able to read the files of jobs, which hold firmware; jobs go on all the same.',
    'Move the user directory to a file system with permissions, or mount it so that only the user of Node-RED can read it.',
  ),
  ABANDONED: entry(
    'The device was no longer watched, because the node was stopped or redeployed; what became of it is not known.',
    'Ask for the state of the device before you send anything again.',
    true,
  ),
  UNEXPECTED: entry(
    'Something happened that should not: a defect of this package.',
    'Please report it, with the log of Node-RED.',
  ),

  // What the device answers
  BAD_CHECKSUM: entry(
    'The device found that the content does not match its MD5, or (ESP32) that size or magic byte are wrong.',
    'The firmware was changed on its way, or the image does not fit. Try again.',
    true,
  ),
  BAD_FIRMWARE: entry(
    'The device does not take this as a firmware for it.',
    'Flash size or mode of the image do not fit the chip of the device. Build it for this board.',
  ),
  NOT_ENOUGH_SPACE: entry(
    'The image does not fit into the free sketch space of the device.',
    'Make the firmware smaller, choose a flash layout with more space, or update in two steps by a minimal image.',
  ),
  FLASH_ERROR: entry(
    'The device could not erase, write or read its flash.',
    'Try again. If it comes back, the flash chip is worn out or the power supply too weak.',
    true,
  ),
  INTERNAL_ERROR: entry('The updater of the device failed.', 'Restart the device and try again.', true),
  RETAINED_FIRMWARE: entry(
    'A retained firmware message lies on the broker for this device.',
    'Clear the retained message; firmware must never be retained.',
  ),
  TRANSFER_REFUSED: entry(
    'The device refused the way in which the firmware arrived.',
    'Try again. If it comes back, look into the serial log of the device.',
    true,
  ),
  DEVICE_TIMEOUT: entry(
    'The device gave up waiting for more of the firmware.',
    'Check its Wi-Fi signal and try again.',
    true,
  ),
  DEVICE_OUT_OF_MEMORY: entry('The device ran out of memory.', 'Restart the device and try again.', true),
  DEVICE_UPDATE_BUSY: entry('The device is busy, or is being updated already.', 'Try again later.', true),
  DEVICE_REBOOT_PENDING: entry(
    'The device waits for a reboot.',
    'Wait until it has rebooted, or power-cycle it.',
    true,
  ),
  UNKNOWN_STATUS: entry(
    'The device answered with a status that is not known.',
    'Look into the serial log of the device.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

/** What the catalogue says of a code. */
export interface CatalogueEntry {
  readonly meaning: string;
  readonly hint: string;
  readonly retryable: boolean;
}

export type ErrorCode = keyof typeof catalogue;

export interface HomieErrorOptions {
  /** What to do about it, where more is known than the catalogue says. */
  hint?: string;
  /** The status text of the device as it came, for instance `500 INTERNAL_ERROR 8`. */
  status?: string;
  /** The phase of the job in which it happened. */
  phase?: string;
  cause?: unknown;
}

/** The longest sentence, in characters: it may name many devices, or what somebody has published. */
const MAX_MESSAGE = 2000;

/**
 * An error with a stable code, a sentence for people, and a hint that says what to do.
 * `message` never holds a secret. It is one line of plain text, and so are `hint` and `status`.
 */
export class HomieError extends Error {
  override readonly name = 'HomieError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly status: string | undefined;
  readonly phase: string | undefined;

  /**
   * @param code one of the catalogue
   * @param message the sentence; the catalogue's own when it is left out
   */
  constructor(code: ErrorCode, message?: string, options: HomieErrorOptions = {}) {
    const sentence = plainText(message ?? catalogue[code].meaning, MAX_MESSAGE);
    super(sentence, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = plainText(options.hint ?? catalogue[code].hint);
    this.retryable = catalogue[code].retryable;
    this.status = options.status === undefined ? undefined : plainText(options.status);
    this.phase = options.phase;
  }

  /** Returns the sentence alone: Node-RED gives this text to catch nodes and to the log. */
  override toString(): string {
    return this.message;
  }
}

/** Anything that was thrown, as an error of ours: a TimeoutError as NOT_CONNECTED, all else as UNEXPECTED. */
export function asHomieError(error: unknown): HomieError {
  if (error instanceof HomieError) return error;
  const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
  return new HomieError(isTimeout ? 'NOT_CONNECTED' : 'UNEXPECTED', undefined, { cause: error });
}

function entry(meaning: string, hint: string, retryable = false): CatalogueEntry {
  return { meaning, hint, retryable };
}
