#!/usr/bin/env bash
# Create the ACLs of Spendmeter's Kafka users: the minimum that each of them needs.
#   acls.sh --bootstrap-server HOST:PORT --command-config ADMIN.properties
# All arguments go to kafka-acls.sh, which must be on the PATH. The script is idempotent.
#
#   spendmeter-emitter   services that publish their calls, and `spendmeter collect`
#   spendmeter-gate      services that use `BudgetGate`; the states of budgets are those of all orgs
#   spendmeter-worker    `spendmeter worker`; with Create on its own topics, so that it can create missing ones
#   spendmeter-operator  `spendmeter dlq`, `import`, `verify`, `rollups rebuild`, `reprice` and `prices`: dead letters,
#                        committed offsets, from which open chunks are found, and price rows
set -euo pipefail

allow() {
  local principal=$1 operations=() operation
  for operation in $2; do operations+=(--operation "$operation"); done
  shift 2
  kafka-acls.sh "${connection[@]}" --add --force --allow-principal "User:$principal" "${operations[@]}" "$@" >/dev/null
  echo "acls: $principal may ${operations[*]//--operation/} on ${*//--/}"
}

connection=("$@")
usage=(--topic spendmeter.usage.v1)
dead=(--topic spendmeter.usage.dlq.v1)
directory=(--topic spendmeter.directory.v1)
prices=(--topic spendmeter.prices.v1)
alerts=(--topic spendmeter.alerts.v1)
budgets=(--topic spendmeter.budgets.v1)
leader=(--topic spendmeter-worker-__assignor-__leader)
groups=(--group spendmeter-ingest --group spendmeter-worker)

allow spendmeter-emitter "Describe Write" "${usage[@]}" "${directory[@]}"
allow spendmeter-gate "Describe Read" "${budgets[@]}"

allow spendmeter-worker "Create Describe Read" "${usage[@]}" "${directory[@]}" "${prices[@]}" "${leader[@]}"
allow spendmeter-worker "Create Describe Write" "${dead[@]}" "${alerts[@]}" "${budgets[@]}"
allow spendmeter-worker "Describe Read" "${groups[@]}"

allow spendmeter-operator "Describe Read" "${dead[@]}"
allow spendmeter-operator "Describe Write" "${usage[@]}"
allow spendmeter-operator "Describe Read Write" "${prices[@]}"
allow spendmeter-operator "Describe" --group spendmeter-ingest
