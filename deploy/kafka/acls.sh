#!/bin/sh
# Who may do what in Kafka. Made by `mailsla topics --print-acls`. For an administrator:
#   BOOTSTRAP=kafka:9094 COMMAND_CONFIG=admin.properties sh acls.sh
set -eu
add() {
  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" \
    --add "$@"
}

# mailsla-admin: mailsla topics, once
add --allow-principal User:mailsla-admin --operation CREATE --operation ALTERCONFIGS --operation DESCRIBECONFIGS --operation DESCRIBE --topic mail. --resource-pattern-type prefixed
add --allow-principal User:mailsla-admin --operation CREATE --operation ALTERCONFIGS --operation DESCRIBECONFIGS --operation DESCRIBE --topic raw. --resource-pattern-type prefixed
add --allow-principal User:mailsla-admin --operation CREATE --operation ALTERCONFIGS --operation DESCRIBECONFIGS --operation DESCRIBE --topic sla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-admin --operation CREATE --operation ALTERCONFIGS --operation DESCRIBECONFIGS --operation DESCRIBE --topic mailsla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-admin --operation DESCRIBE --cluster

# mailsla-producer: whoever publishes events: ship, probes, other systems
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.abuse
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.antivirus
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.backup
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.billing
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.mta
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.ops
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.probe
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.security
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic mail.support
add --allow-principal User:mailsla-producer --operation WRITE --operation DESCRIBE --topic raw.maillog

# mailsla-operator: people at a terminal: contract, calendar, exclude, incident, drain
add --allow-principal User:mailsla-operator --operation WRITE --operation DESCRIBE --topic mail.ops
add --allow-principal User:mailsla-operator --operation WRITE --operation DESCRIBE --topic sla.calendars
add --allow-principal User:mailsla-operator --operation WRITE --operation DESCRIBE --topic sla.contracts
add --allow-principal User:mailsla-operator --operation READ --operation DESCRIBE --topic mail. --resource-pattern-type prefixed
add --allow-principal User:mailsla-operator --operation READ --operation DESCRIBE --topic raw. --resource-pattern-type prefixed
add --allow-principal User:mailsla-operator --operation READ --operation DESCRIBE --topic sla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-operator --operation READ --operation DESCRIBE --topic mailsla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-operator --operation DESCRIBE --group mailsla-streams
add --allow-principal User:mailsla-operator --operation DESCRIBE --group mailsla-sinks

# mailsla-streams: mailsla worker streams
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.abuse
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.antivirus
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.backup
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.billing
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.mta
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.ops
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.probe
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.security
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mail.support
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mailsla.assembler.state
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mailsla.platform
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic mailsla.streams.state
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic raw.maillog
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --topic sla.breaches
add --allow-principal User:mailsla-streams --operation READ --operation DESCRIBE --topic sla.calendars
add --allow-principal User:mailsla-streams --operation READ --operation WRITE --operation DESCRIBE --topic sla.contracts
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --topic sla.dead_letters
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --topic sla.outages
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --topic sla.status
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --topic sla.windows
add --allow-principal User:mailsla-streams --operation READ --group mailsla-streams
add --allow-principal User:mailsla-streams --operation WRITE --operation DESCRIBE --transactional-id mailsla- --resource-pattern-type prefixed

# mailsla-sinks: mailsla worker sinks
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.abuse
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.antivirus
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.backup
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.billing
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.mta
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.ops
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.probe
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.security
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic mail.support
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.breaches
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.calendars
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.contracts
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.dead_letters
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.outages
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.status
add --allow-principal User:mailsla-sinks --operation READ --operation DESCRIBE --topic sla.windows
add --allow-principal User:mailsla-sinks --operation READ --group mailsla-sinks
add --allow-principal User:mailsla-sinks --operation WRITE --operation DESCRIBE --transactional-id mailsla- --resource-pattern-type prefixed

# mailsla-closer: mailsla close, mailsla worker closer
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.abuse
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.antivirus
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.backup
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.billing
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.mta
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.ops
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.probe
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.security
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic mail.support
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic raw.maillog
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic sla.calendars
add --allow-principal User:mailsla-closer --operation WRITE --operation DESCRIBE --topic sla.closings
add --allow-principal User:mailsla-closer --operation READ --operation DESCRIBE --topic sla.contracts
add --allow-principal User:mailsla-closer --operation DESCRIBE --group mailsla-streams
add --allow-principal User:mailsla-closer --operation DESCRIBE --group mailsla-sinks

# mailsla-web: mailsla worker web
add --allow-principal User:mailsla-web --operation READ --operation DESCRIBE --topic mail. --resource-pattern-type prefixed
add --allow-principal User:mailsla-web --operation READ --operation DESCRIBE --topic raw. --resource-pattern-type prefixed
add --allow-principal User:mailsla-web --operation READ --operation DESCRIBE --topic sla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-web --operation READ --operation DESCRIBE --topic mailsla. --resource-pattern-type prefixed
add --allow-principal User:mailsla-web --operation DESCRIBE --group mailsla-streams
add --allow-principal User:mailsla-web --operation DESCRIBE --group mailsla-sinks

# mailsla-notify: mailsla worker notify
add --allow-principal User:mailsla-notify --operation READ --operation DESCRIBE --topic sla.breaches
add --allow-principal User:mailsla-notify --operation READ --operation DESCRIBE --topic sla.closings
add --allow-principal User:mailsla-notify --operation READ --group mailsla-notify- --resource-pattern-type prefixed

# mailsla-subscriber: whoever reads the results
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.breaches
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.closings
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.dead_letters
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.outages
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.status
add --allow-principal User:mailsla-subscriber --operation READ --operation DESCRIBE --topic sla.windows
add --allow-principal User:mailsla-subscriber --operation READ --group mailsla-subscriber- --resource-pattern-type prefixed
