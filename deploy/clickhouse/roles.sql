-- Roles of mailsla, each with the least it needs. Made by `mailsla migrate --print-roles`.
-- Run by an administrator, after `mailsla migrate`; may be repeated. Then a user for each program:
--   CREATE USER sla_sinks IDENTIFIED BY '…' DEFAULT ROLE mailsla_writer;
--   GRANT mailsla_writer TO sla_sinks;
-- A tenant's user is named tenant_ID and sees the rows of tenant ID:
--   CREATE USER tenant_acme IDENTIFIED BY '…' DEFAULT ROLE mailsla_tenant;
--   GRANT mailsla_tenant TO tenant_acme;

-- mailsla migrate: makes and changes tables and views
CREATE ROLE IF NOT EXISTS mailsla_migrator;
GRANT SELECT, INSERT, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER TABLE, ALTER VIEW ON mailsla.* TO mailsla_migrator;
GRANT TABLE ENGINE ON MergeTree TO mailsla_migrator;
GRANT TABLE ENGINE ON ReplacingMergeTree TO mailsla_migrator;
GRANT TABLE ENGINE ON Memory TO mailsla_migrator;
GRANT SELECT ON system.databases TO mailsla_migrator;
GRANT SELECT ON system.tables TO mailsla_migrator;
GRANT SELECT ON system.columns TO mailsla_migrator;

-- mailsla worker sinks: lands rows, keeps the plans of the live views
CREATE ROLE IF NOT EXISTS mailsla_writer;
GRANT SELECT ON mailsla.* TO mailsla_writer;
GRANT INSERT ON mailsla.* TO mailsla_writer;
GRANT ALTER DELETE ON mailsla.plans TO mailsla_writer;
GRANT ALTER DELETE ON mailsla.plan_tenants TO mailsla_writer;
GRANT ALTER DELETE ON mailsla.plan_terms TO mailsla_writer;
GRANT ALTER DELETE ON mailsla.plan_days TO mailsla_writer;
GRANT ALTER DELETE ON mailsla.plan_failures TO mailsla_writer;
GRANT CREATE VIEW ON mailsla.closing_open_* TO mailsla_writer;
GRANT SELECT ON system.databases TO mailsla_writer;
GRANT SELECT ON system.tables TO mailsla_writer;
GRANT SELECT ON system.columns TO mailsla_writer;

-- mailsla close, explain, audit: adds revisions and credits, holds the lock of a month
CREATE ROLE IF NOT EXISTS mailsla_closer;
GRANT SELECT ON mailsla.* TO mailsla_closer;
GRANT INSERT ON mailsla.* TO mailsla_closer;
GRANT ALTER DELETE ON mailsla.plans TO mailsla_closer;
GRANT ALTER DELETE ON mailsla.plan_tenants TO mailsla_closer;
GRANT ALTER DELETE ON mailsla.plan_terms TO mailsla_closer;
GRANT ALTER DELETE ON mailsla.plan_days TO mailsla_closer;
GRANT ALTER DELETE ON mailsla.plan_failures TO mailsla_closer;
GRANT CREATE VIEW ON mailsla.closing_open_* TO mailsla_closer;
GRANT CREATE TABLE, DROP TABLE, ALTER MODIFY COMMENT ON mailsla.closing_lock_* TO mailsla_closer;
GRANT TABLE ENGINE ON Memory TO mailsla_closer;
GRANT SELECT ON system.databases TO mailsla_closer;
GRANT SELECT ON system.tables TO mailsla_closer;
GRANT SELECT ON system.columns TO mailsla_closer;
GRANT SELECT ON system.processes TO mailsla_closer;

-- the web page and other programs of mailsla that only read, internals too
CREATE ROLE IF NOT EXISTS mailsla_reader SETTINGS readonly = 1;
GRANT SELECT ON mailsla.* TO mailsla_reader;
GRANT SELECT ON system.databases TO mailsla_reader;
GRANT SELECT ON system.tables TO mailsla_reader;
GRANT SELECT ON system.columns TO mailsla_reader;

-- people and their tools: the tables and views that are kept stable, and no other is to be seen
CREATE ROLE IF NOT EXISTS mailsla_analyst SETTINGS readonly = 1;
REVOKE SELECT ON mailsla.* FROM mailsla_analyst;
GRANT SELECT ON mailsla.abuse_events TO mailsla_analyst;
GRANT SELECT ON mailsla.antivirus_events TO mailsla_analyst;
GRANT SELECT ON mailsla.backup_events TO mailsla_analyst;
GRANT SELECT ON mailsla.billing_events TO mailsla_analyst;
GRANT SELECT ON mailsla.breaches TO mailsla_analyst;
GRANT SELECT ON mailsla.calendars TO mailsla_analyst;
GRANT SELECT ON mailsla.cases_month TO mailsla_analyst;
GRANT SELECT ON mailsla.clause_results TO mailsla_analyst;
GRANT SELECT ON mailsla.closed_results TO mailsla_analyst;
GRANT SELECT ON mailsla.closing_item_log TO mailsla_analyst;
GRANT SELECT ON mailsla.closing_items TO mailsla_analyst;
GRANT SELECT ON mailsla.closing_log TO mailsla_analyst;
GRANT SELECT ON mailsla.closing_open_* TO mailsla_analyst;
GRANT SELECT ON mailsla.closings TO mailsla_analyst;
GRANT SELECT ON mailsla.conflicts TO mailsla_analyst;
GRANT SELECT ON mailsla.contracts TO mailsla_analyst;
GRANT SELECT ON mailsla.credit_log TO mailsla_analyst;
GRANT SELECT ON mailsla.credits TO mailsla_analyst;
GRANT SELECT ON mailsla.dead_letters TO mailsla_analyst;
GRANT SELECT ON mailsla.downtime_month TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_1_connectivity TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_2_latency TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_3_faults TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_3_service TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_4_antispam TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_5_antivirus TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_6_security TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_7_backup TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_8_provisioning TO mailsla_analyst;
GRANT SELECT ON mailsla.evidence_9_support TO mailsla_analyst;
GRANT SELECT ON mailsla.exceedances TO mailsla_analyst;
GRANT SELECT ON mailsla.exclusions TO mailsla_analyst;
GRANT SELECT ON mailsla.faults_month TO mailsla_analyst;
GRANT SELECT ON mailsla.latency_month TO mailsla_analyst;
GRANT SELECT ON mailsla.left_out TO mailsla_analyst;
GRANT SELECT ON mailsla.mta_events TO mailsla_analyst;
GRANT SELECT ON mailsla.ops_events TO mailsla_analyst;
GRANT SELECT ON mailsla.outages TO mailsla_analyst;
GRANT SELECT ON mailsla.probe_events TO mailsla_analyst;
GRANT SELECT ON mailsla.security_events TO mailsla_analyst;
GRANT SELECT ON mailsla.sources TO mailsla_analyst;
GRANT SELECT ON mailsla.status TO mailsla_analyst;
GRANT SELECT ON mailsla.support_events TO mailsla_analyst;
GRANT SELECT ON mailsla.tenant_month_summary TO mailsla_analyst;
GRANT SELECT ON mailsla.windows TO mailsla_analyst;
GRANT SELECT ON system.databases TO mailsla_analyst;
GRANT SELECT ON system.tables TO mailsla_analyst;
GRANT SELECT ON system.columns TO mailsla_analyst;

-- one customer: its own rows of the tables that tell of it
CREATE ROLE IF NOT EXISTS mailsla_tenant SETTINGS readonly = 1;
GRANT SELECT ON mailsla.abuse_events TO mailsla_tenant;
GRANT SELECT ON mailsla.antivirus_events TO mailsla_tenant;
GRANT SELECT ON mailsla.backup_events TO mailsla_tenant;
GRANT SELECT ON mailsla.billing_events TO mailsla_tenant;
GRANT SELECT ON mailsla.breaches TO mailsla_tenant;
GRANT SELECT ON mailsla.closing_item_log TO mailsla_tenant;
GRANT SELECT ON mailsla.closing_log TO mailsla_tenant;
GRANT SELECT ON mailsla.contracts TO mailsla_tenant;
GRANT SELECT ON mailsla.credit_log TO mailsla_tenant;
GRANT SELECT ON mailsla.mta_events TO mailsla_tenant;
GRANT SELECT ON mailsla.ops_events TO mailsla_tenant;
GRANT SELECT ON mailsla.outages TO mailsla_tenant;
GRANT SELECT ON mailsla.probe_events TO mailsla_tenant;
GRANT SELECT ON mailsla.security_events TO mailsla_tenant;
GRANT SELECT ON mailsla.status TO mailsla_tenant;
GRANT SELECT ON mailsla.support_events TO mailsla_tenant;
GRANT SELECT ON mailsla.windows TO mailsla_tenant;
GRANT SELECT ON mailsla.closing_items TO mailsla_tenant;
GRANT SELECT ON mailsla.closings TO mailsla_tenant;
GRANT SELECT ON mailsla.credits TO mailsla_tenant;
GRANT SELECT ON mailsla.exclusions TO mailsla_tenant;

-- A tenant sees its own rows, everybody else all of them.
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.abuse_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.abuse_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.antivirus_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.antivirus_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.backup_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.backup_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.billing_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.billing_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.breaches USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.breaches USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.closing_item_log USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.closing_item_log USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.closing_log USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.closing_log USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.contracts USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.contracts USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.credit_log USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.credit_log USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.mta_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.mta_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.ops_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.ops_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.outages USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.outages USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.probe_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.probe_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.security_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.security_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.status USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.status USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.support_events USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.support_events USING 1 TO ALL EXCEPT mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_own ON mailsla.windows USING tenant_id = substring(currentUser(), 8) TO mailsla_tenant;
CREATE ROW POLICY OR REPLACE mailsla_all ON mailsla.windows USING 1 TO ALL EXCEPT mailsla_tenant;
