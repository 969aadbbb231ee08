import { plainText } from './plain-text';

/**
 * Every error of the package, in one place: a stable code, what it means, what to do about it, and whether
 * the same call may work later without anything being changed. The catalogue in docs/errors.md is made from this list.
 */
export const catalogue = {
  // What the flow asks for
  UNKNOWN_ACTION: entry('The node does not know this action.', 'Use one of the actions listed in the help.'),
  INVALID_SETTING: entry('A setting or a message property has an invalid value.', 'Correct the value.'),
  UNKNOWN_SETTING: entry(
    'msg.options contains a setting that this node does not have.',
    'Use the setting names listed in the help.',
  ),
  NO_DEVICE: entry(
    'Neither the message nor the node specifies a device.',
    'Set the device in msg.device or in the node. To update every device that runs this firmware, choose that explicitly in the node.',
  ),
  INVALID_DEVICE_ID: entry('A device id is invalid.', 'Use 1 to 32 of the characters a-z, 0-9 and -.'),
  NO_MATCH: entry(
    'No known device runs this firmware.',
    'Compare the name in the firmware (Homie_setFirmware) with $fw/name of the devices, and check the base topic.',
  ),
  UNKNOWN_JOB: entry('This node has no job with this id.', 'Use the job id from the progress message.'),
  NO_BROKER: entry('The node has no homie-broker.', 'Choose a homie-broker in the node and deploy.'),
  DEVICE_BUSY: entry(
    'The device is busy with another job, and a device can run only one job at a time.',
    'Wait for that job to finish, or cancel it.',
    true,
  ),
  REBOOT_PENDING: entry(
    'The device may still have to boot an earlier update, and a second image could overwrite the staged one.',
    'Wait until the device has restarted, or power-cycle it.',
    true,
  ),
  DEVICE_PRESENT: entry(
    'The device is neither lost nor disconnected, so its retained topics are in use.',
    'Forget a device only when its $state is lost or disconnected.',
  ),
  DEVICE_RETURNED: entry(
    'The device became active while its retained topics were being cleared, so no more of them were cleared.',
    'Restart the device if topics are missing; it publishes them again when it connects.',
  ),
  NOT_CLEARED: entry(
    'The broker still has retained topics of the device, or does not show any of them.',
    'Allow this user to read and write all topics below the device (ACL).',
  ),

  // What comes in as firmware
  PAYLOAD_TYPE: entry(
    'msg.payload has a type that cannot contain firmware.',
    'Use a Buffer: choose "a single Buffer object" in a file-in node, or "a binary buffer" in an http request node.',
  ),
  FIRMWARE_EMPTY: entry('The firmware is empty.', 'Check that the file is not empty and was read completely.'),
  FIRMWARE_IS_HTML: entry(
    'This is an HTML page, not a firmware image.',
    'Check the address and the credentials: the download returned a page (login, not found, redirect).',
  ),
  FIRMWARE_IS_TEXT: entry('This is text, not a firmware image.', 'Use the .bin file from the build, as a Buffer.'),
  FIRMWARE_TOO_LARGE: entry(
    'The firmware is larger than any device can hold.',
    'Use an image of at most 16 MiB; the limit also applies after decompression.',
  ),
  FIRMWARE_GZIP: entry('The gzip data is damaged.', 'Compress the image again, or use it uncompressed.'),
  FIRMWARE_BASE64: entry('The base64 text is damaged.', 'Encode the image again, or use a Buffer.'),
  FIRMWARE_MAGIC: entry(
    'This is not an ESP8266 or ESP32 image: it does not start with 0xE9.',
    'Use firmware.bin from the build, not the .elf file or the file system image.',
  ),
  FIRMWARE_TRUNCATED: entry(
    'The image is truncated: it ends before its last segment or checksum.',
    'Get the file again; the download or the build may have been interrupted.',
  ),
  FIRMWARE_DAMAGED: entry(
    'The structure of the image is invalid.',
    'Build the image again; it may be damaged, or not an application image.',
  ),
  FIRMWARE_FACTORY: entry(
    'This is a factory image, with a boot loader and a partition table before the application; no device would start after an update with it.',
    'Use the application image: firmware.bin from the build, not the merged or factory file.',
  ),
  FIRMWARE_DUMP: entry(
    'This is a copy of the entire flash of a device, not a firmware image; it may contain secrets, such as the Wi-Fi password.',
    'Use the .bin file from the build, and keep the copy where nobody else can read it.',
  ),
  FIRMWARE_PART: entry(
    'This is only a part of an ESP8266 image; the device would accept it and lose its boot loader.',
    'Use the combined file: firmware.bin from PlatformIO (pio run), or the .bin file exported by the Arduino IDE.',
  ),
  FIRMWARE_FLASH_MODE: entry(
    'The flash mode in the image is not valid for an ESP8266, so the device would refuse the image.',
    'Build the image again with the flash mode of the board: QIO, QOUT, DIO or DOUT.',
  ),
  FIRMWARE_CHECKSUM: entry(
    'The checksum in the image does not match its contents: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  FIRMWARE_CRC: entry(
    'The CRC32 in the image does not match its contents: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  FIRMWARE_SHA256: entry(
    'The SHA-256 at the end of the image does not match its contents: the image is damaged.',
    'Get the file again, or build it again.',
  ),
  CHECKSUM_MISMATCH: entry(
    'msg.checksum does not match the MD5 of the firmware.',
    'Get the file again if it is damaged, or set msg.checksum to the MD5 of the plain image.',
  ),
  NOT_HOMIE: entry(
    'The image has no Homie signature: it is not a Homie firmware, and the device could not be updated again.',
    'Build the image with Homie for ESP8266. Use allowIncompatible only if you are sure.',
  ),
  WRONG_CHIP: entry(
    'The image is built for a different chip than the device has.',
    'Build the image for the chip of the device; a wrong image makes the device unusable.',
  ),
  WRONG_FIRMWARE: entry(
    'The image contains a different firmware than the device runs.',
    'Choose the right device or file. To switch a device to another firmware, use allowIncompatible.',
  ),

  // What comes in as configuration
  PATCH_TYPE: entry(
    'msg.payload is not a patch: it is neither an object nor the JSON text of an object.',
    'Use an object such as {"settings":{"brightness":42}}, or its JSON text.',
  ),
  PATCH_JSON: entry(
    'The patch is not valid JSON.',
    'Use an object, or JSON text with double quotes and without comments, trailing commas or a byte order mark.',
  ),
  PATCH_NESTING: entry(
    'The patch is nested deeper than the 10 levels that a device can read.',
    'Reduce the nesting of the patch.',
  ),
  PATCH_CHARACTER: entry(
    'The patch contains a character that could only be sent as a \\u escape, which the device refuses.',
    'Remove control characters and unpaired surrogates.',
  ),
  PATCH_VALUE: entry(
    'The patch contains a value that JSON cannot represent.',
    'Use only text, finite numbers, true, false, null, arrays and plain objects.',
  ),
  PATCH_MASKED: entry(
    'The patch contains •••, the placeholder for secrets, which the device would store as the secret itself.',
    'Leave out the secrets that should not change, and enter the real values of those that should.',
  ),
  NUMBER_PRECISION: entry(
    'The number has more digits than the device can store.',
    'Use at most six digits and six decimals, or a 32-bit whole number.',
  ),
  CONFIG_UNKNOWN: entry(
    'The device has not published its configuration, so a patch cannot be checked against it.',
    'Wait until the device has been online, and check the device id and the base topic.',
    true,
  ),
  CONFIG_UNREADABLE: entry(
    'The configuration that the device published is not a JSON object in UTF-8.',
    'Correct the configuration on the device itself.',
  ),
  CONFIG_RULE: entry('The device would refuse the configuration.', 'Correct the value.'),
  CONFIG_HARM: entry('The device would accept the value, but it would break the device.', 'Correct the value.'),
  DEVICE_ID_TAKEN: entry(
    'Another device already has this device id, and two devices with the same id keep disconnecting each other from the broker.',
    'Choose an id that no other device has.',
  ),
  PATCH_TOO_LARGE: entry(
    'The patch needs more memory than the device has for it.',
    'Send a smaller patch, or let it be split (split).',
  ),
  MERGE_TOO_LARGE: entry(
    'The device does not have enough memory to merge the patch and would silently lose values of it.',
    'Send a smaller patch, or let it be split (split).',
  ),
  CONFIG_TOO_LARGE: entry(
    'The configuration would become too large, and the device would no longer start with it.',
    'Remove settings that are not needed, or shorten texts.',
  ),
  CONFIG_UNPUBLISHABLE: entry(
    'The configuration would become too long to publish, and the device could hang at every start.',
    'Shorten the configuration, the base topic or the device id. Set segment to 1460 only if the device was built with that segment size.',
  ),
  RISK_NOT_ALLOWED: entry(
    'The patch changes settings that are needed to reach or update the device.',
    'Review the risks, and set allowRisky if you are sure.',
  ),
  NOT_RECEIVED: entry(
    'The device did not confirm that it received the patch.',
    'Check that the device is still connected and that the broker delivers the patch to it (ACL). The patch is not sent again.',
    true,
  ),
  NOT_APPLIED: entry(
    'The device received the patch but did not reboot in time.',
    'Check the device: it silently rejected the patch, or has written it and is waiting for a busy sketch.',
  ),
  VALUE_LOST: entry(
    'The device rebooted, but its configuration does not contain the expected values.',
    'Check which paths were lost, and send them again, fewer at a time.',
  ),

  // The device's topics
  INVALID_BASE_TOPIC: entry(
    'The base topic is invalid.',
    'Use one or more levels without + and #, and do not start with $.',
  ),
  TOPIC_TOO_LONG: entry(
    'The firmware topic would be longer than the 129 characters that a device can receive.',
    'Shorten the base topic or the device id; together they may have at most 67 characters.',
  ),

  // The broker
  BROKER_SETTINGS: entry('The settings of the broker are invalid.', 'Correct the settings of the homie-broker node.'),
  BROKER_UNREACHABLE: entry(
    'The broker cannot be reached.',
    'Check the host and port, and that the broker is running.',
    true,
  ),
  BROKER_REFUSED: entry(
    'The broker refused the connection: bad user name or password.',
    'Check the user name and password in the homie-broker node.',
  ),
  BROKER_TLS: entry(
    'The TLS connection to the broker failed.',
    'Check the CA certificate, the host name in the certificate, and that the port uses TLS.',
  ),
  BROKER_PROTOCOL: entry(
    'The server does not respond like an MQTT broker.',
    'Check that the port is the MQTT port (or the WebSocket port if the URL starts with ws).',
  ),
  NOT_CONNECTED: entry(
    'There is no connection to the broker; nothing was sent.',
    'Wait until the homie-broker is connected.',
    true,
  ),
  STILL_RECEIVING: entry(
    'The broker is still sending retained messages, so the list of devices is not complete yet.',
    'Try again when the homie-broker has received all retained messages.',
    true,
  ),
  PACKET_TOO_LARGE: entry(
    'The broker does not accept messages as large as this firmware.',
    'Raise the limit of the broker (mosquitto: max_packet_size and message_size_limit).',
  ),
  SUBSCRIBE_REFUSED: entry(
    'The broker does not allow this user to subscribe to topics of the devices.',
    'Allow this user to read these topics in the ACL of the broker.',
  ),
  PUBLISH_DENIED: entry(
    'The broker does not allow this user to publish to this topic.',
    'Allow this user to write to <base topic>+/$implementation/ota/firmware/+ and .../config/set.',
  ),
  PUBLISH_REFUSED: entry('The broker refused the message.', 'Check the log of the broker.'),
  PUBLISH_TIMEOUT: entry(
    'The broker did not acknowledge the firmware in time.',
    'Check the network between Node-RED and the broker, or raise the deadline for sending.',
    true,
  ),
  CONNECTION_LOST: entry(
    'The connection to the broker was lost while the firmware was being sent.',
    'Check the network and the broker.',
    true,
  ),
  CLOSED_AT_PUBLISH: entry(
    'The broker closed the connection while the firmware was being sent, and the device did not respond.',
    'Check the log of the broker: the firmware may be larger than it allows (mosquitto: max_packet_size), or an ACL, a quota or its maximum QoS may forbid it.',
  ),

  // The exchange with a device
  DEVICE_OFFLINE: entry(
    'The device was not ready before the job expired.',
    'Check the power and Wi-Fi of the device, or let the job wait longer (expires).',
    true,
  ),
  DEVICE_UNKNOWN: entry(
    'The device has never been seen.',
    'Check the device id and the base topic of the homie-broker.',
    true,
  ),
  NOT_ACCEPTED: entry(
    'The device did not confirm that it received the firmware.',
    'Check the log of the broker, which may have dropped the firmware (ACL, message_size_limit), and check that the device is still connected.',
    true,
  ),
  STALLED: entry(
    'The device started to receive the firmware and then stopped responding.',
    'Check the power and Wi-Fi signal of the device. It gets no other job until it reconnects or shows that it is idle.',
    true,
  ),
  LOST_IN_TRANSFER: entry(
    'The device lost its connection or restarted during the transfer, and still runs the old firmware.',
    'Check the power supply and Wi-Fi signal of the device, then try again.',
    true,
  ),
  NOT_REBOOTED: entry(
    'The firmware is flashed, but the device has not rebooted.',
    'Wait until the sketch is no longer busy (Homie.setIdle(false)); the new firmware starts with the next reboot.',
  ),
  NOT_BACK: entry(
    'The device rebooted but did not come back in time.',
    'Look for an access point that the device opened: an image built for another flash layout or file system finds no config.json. Otherwise, power-cycle the device.',
  ),
  NOT_READY: entry(
    'The device came back but did not become ready in time.',
    'Check the device: the new firmware may hang in its setup, or the connection was lost again.',
  ),
  OLD_FIRMWARE: entry(
    'The device rebooted but still runs the old firmware.',
    'Check that the image fits the flash layout of the device: the boot loader did not accept the new image.',
  ),
  OTHER_FIRMWARE: entry(
    'The device rebooted with a firmware that is neither the old nor the new one.',
    'Check whether someone else updated the device; otherwise, the image may have been changed in transit.',
  ),
  OTHER_DEVICE: entry(
    'Another device is using this device id: its $mac is different.',
    'Give each device its own id. If something was already sent, restart the device that received it.',
  ),
  REBOOT_UNPROVEN: entry(
    'The device runs the same checksum as before, and it is unknown whether it has rebooted since.',
    'Wait for the statistics of the device or restart it, then check what it runs. Only $stats/uptime proves a reboot: the device does not send it, had just booted before, or was not observed in the meantime.',
  ),
  ANOTHER_UPDATER: entry('Someone else is updating this device.', 'Let only one tool update a device at a time.', true),
  FORCE_NOT_SUPPORTED: entry(
    'The device refuses an image that it already runs.',
    'Build an image that differs: the firmware of the device cannot reinstall the same image.',
  ),
  BASE64_FAILED_BEFORE: entry(
    'Base64 failed on this device before and can leave its updater stuck, so it is not tried again.',
    'Send the firmware as binary, which is the default.',
  ),
  BASE64_IMPOSSIBLE: entry(
    'This image cannot be sent to this device as base64: the device would never respond.',
    'Send the firmware as binary, which is the default.',
  ),
  FACTS_MISSING: entry(
    'The device is ready but does not publish what an update needs; it probably does not run Homie for ESP8266.',
    'Choose a device that runs Homie for ESP8266. If this device does, allow this user to read its topics (ACL).',
  ),
  CHECKSUM_MISSING: entry(
    'The device came back but did not publish $fw/checksum, so it is unknown which firmware it runs.',
    'Check that this user can read the topics of the device (ACL).',
  ),
  UNCONFIRMED: entry(
    'The retained topics of the device name a different firmware than before, but no live message from the device confirms it.',
    'Wait until the device sends its statistics, then check again: the connection to the broker was lost in the meantime.',
    true,
  ),
  UPDATER_STUCK: entry(
    'The updater of the device is stuck, and restarting the device did not help or is turned off.',
    'Power-cycle the device, or let the node restart it (recoverReboot).',
    true,
  ),
  ROLLOUT_STOPPED: entry(
    'Too many devices failed, so no more devices are started.',
    'Find the cause, then send the action resume for the other devices, or retry to include all failed devices.',
  ),
  CANARY_UNSTABLE: entry(
    'A canary device did not stay ready after its update, so no more devices are started.',
    'Check that device, then send the action resume, or a better firmware.',
  ),
  WINDOW_CLOSED: entry(
    'The time window did not open in time.',
    'Choose a longer time window, or let the job wait longer (expires).',
    true,
  ),
  SECRET_NOT_KEPT: entry(
    'The patch contained a secret, which is never written to a file and was lost in the restart.',
    'Send the patch again.',
  ),
  JOB_FILE_DAMAGED: entry(
    'The file of a job is damaged, so the job cannot continue.',
    'Check the devices of the job, and send the firmware or patch again. The damaged file is kept as *.damaged.',
  ),
  JOB_FILE_NEWER: entry(
    'The file of a job was written by a newer version of this package.',
    'Install that version again, or delete the file.',
  ),
  JOB_FILE_UNREADABLE: entry(
    'The file of a job cannot be read.',
    'Make the user that runs Node-RED the owner of the folder, with read and write access to everything in it.',
  ),
  USER_DIR_IN_USE: entry(
    'Another Node-RED uses the same user directory, so this one sends nothing to any device.',
    'Stop the other Node-RED, or give it a different user directory.',
    true,
  ),
  FIRMWARE_NOT_KEPT: entry(
    'The stored firmware of a job is missing or damaged, so the job cannot continue.',
    'Send the firmware again.',
  ),
  JOB_ELSEWHERE: entry(
    'The broker or the base topic of a node was changed, so a job for the devices at the previous one cannot continue.',
    'Send the firmware or patch again.',
  ),
  JOB_NOT_SAVED: entry(
    'A job cannot be written to its file; the job continues, but would not survive a restart.',
    'Check the free disk space, and that the user that runs Node-RED may write there.',
  ),
  JOB_FILES_OPEN: entry(
    'Other users of the computer may be able to read the job files, which contain firmware; jobs continue.',
    'Move the user directory to a file system with permissions, or mount it so that only the user that runs Node-RED can read it.',
  ),
  ABANDONED: entry(
    'The node was stopped or redeployed and no longer watched the device, so the outcome is unknown.',
    'Check the state of the device before you send anything again.',
    true,
  ),
  UNEXPECTED: entry(
    'An unexpected error occurred: a defect in this package.',
    'Report it, and include the log of Node-RED.',
  ),

  // What the device answers
  BAD_CHECKSUM: entry(
    'The device found that the content does not match its MD5, or (ESP32) that the size or magic byte is wrong.',
    'Try again: the firmware was changed in transit, or the image does not fit the device.',
    true,
  ),
  BAD_FIRMWARE: entry(
    'The device did not accept the image as firmware for it.',
    'Build the image for this board: its flash size or flash mode does not fit the chip of the device.',
  ),
  NOT_ENOUGH_SPACE: entry(
    'The image does not fit into the free sketch space of the device.',
    'Make the firmware smaller, choose a flash layout with more space, or update in two steps with a minimal image.',
  ),
  FLASH_ERROR: entry(
    'The device could not erase, write or read its flash.',
    'Try again. If the error persists, the flash chip is worn out or the power supply is too weak.',
    true,
  ),
  INTERNAL_ERROR: entry('The updater of the device failed.', 'Restart the device and try again.', true),
  RETAINED_FIRMWARE: entry(
    'The broker holds a retained firmware message for this device.',
    'Clear the retained message; firmware must never be retained.',
  ),
  TRANSFER_REFUSED: entry(
    'The device refused the way the firmware was sent.',
    'Try again. If the error persists, check the serial log of the device.',
    true,
  ),
  DEVICE_TIMEOUT: entry(
    'The device timed out while waiting for the rest of the firmware.',
    'Check the Wi-Fi signal of the device, then try again.',
    true,
  ),
  DEVICE_OUT_OF_MEMORY: entry('The device ran out of memory.', 'Restart the device and try again.', true),
  DEVICE_UPDATE_BUSY: entry('The device is busy or already being updated.', 'Try again later.', true),
  DEVICE_REBOOT_PENDING: entry(
    'The device is waiting for a reboot.',
    'Wait until it has rebooted, or power-cycle it.',
    true,
  ),
  UNKNOWN_STATUS: entry('The device responded with an unknown status.', 'Check the serial log of the device.'),
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
