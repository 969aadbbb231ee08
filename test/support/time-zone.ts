/** Makes the tests of a suite run in a time zone. */
export function inTimeZone(zone: string): void {
  const usual = process.env['TZ'];
  before(() => {
    process.env['TZ'] = zone;
  });
  after(() => {
    if (usual === undefined) delete process.env['TZ'];
    else process.env['TZ'] = usual;
  });
}
