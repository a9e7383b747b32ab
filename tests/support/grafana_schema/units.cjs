// The unit ids that Grafana knows, one a line.
globalThis.navigator ??= { language: 'en-US', languages: ['en-US'] }; // asked for a local time format
const { getValueFormats } = require('@grafana/data');

const ids = getValueFormats().flatMap((category) => category.submenu.map((unit) => unit.value));
process.stdout.write(`${[...new Set(ids)].sort().join('\n')}\n`);
