-- What is not kept for ever, and what is remembered of it.

-- A phone that was idle gives way to a new one, and its user can remove it; what it brought is deleted, and so is what was
-- finished long ago. What came before is still known by its numbers: it is never done a second time.
alter table sync_devices
    add column forgotten_below bigint not null default 1,
    add column retired_at timestamptz,
    add constraint sync_devices_forgotten_has_come check (forgotten_below between 1 and next_seq);
comment on column sync_devices.forgotten_below is 'Operations with smaller numbers have come; those of them that are not stored any more are finished.';
comment on column sync_devices.retired_at is 'It was removed, or gave way to another: it does not count until it comes again.';

-- The oldest first.
create index sync_operations_finished_idx on sync_operations (finished_at) where finished_at is not null;
create index sessions_expires_at_idx on sessions (expires_at);

grant delete on sync_devices, sync_operations, idempotency_keys, sessions to comanda_app;
-- Old keys are removed by a job that acts for the platform.
drop policy own on idempotency_keys;
create policy own on idempotency_keys
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());
