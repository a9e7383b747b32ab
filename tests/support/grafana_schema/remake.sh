#!/usr/bin/env bash
# Generate the two schemas and the list of units from the packages pinned in package.json. Needs Node 20 or newer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/{package.json,board.ts,units.cjs} "$work"
cd "$work"
npm install --ignore-scripts --no-audit --no-fund --loglevel=error
for type in Board Customs; do
  npx ts-json-schema-generator --path board.ts --type "$type" --no-type-check --no-top-ref \
    --expose none --jsDoc none --minify -o "$here/${type,,}.schema.json"
done
node units.cjs > "$here/units.txt"
