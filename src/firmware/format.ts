/** What every image begins with, for the ESP8266 as for the ESP32 (esptool documentation, "Firmware Image Format"). */
export const MAGIC = 0xe9;

/** Bytes that an image may have at most. The room for an application is far smaller on the devices there are. */
export const MAX_IMAGE = 16 * 1024 * 1024;
