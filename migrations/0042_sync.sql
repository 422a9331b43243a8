-- What phones did while they were offline: stored first, done in order, answered the same for ever.

create type sync_state as enum ('PENDING', 'APPLIED', 'REJECTED', 'DEAD');
comment on type sync_state is 'PENDING until it is done or cannot be; DEAD when it failed again and again by a fault of ours.';

create table sync_devices (
    user_id         uuid        not null references users on delete cascade,
    -- The phone names itself.
    device          text        not null,
    -- The smallest number of an operation that has not come yet.
    next_seq        bigint      not null default 1,
    -- Who works on its operations, until when: each transaction of theirs checks and prolongs it.
    lease           uuid,
    lease_until     timestamptz,
    -- When a worker has to look after it; null: there is nothing to do.
    due_at          timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint sync_devices_pkey primary key (user_id, device),
    constraint sync_devices_device_length check (char_length(device) between 1 and 64),
    constraint sync_devices_lease_whole check ((lease is null) = (lease_until is null)),
    constraint sync_devices_next_seq_positive check (next_seq >= 1)
);
comment on table sync_devices is 'Phones that brought operations from offline, and who is working on them.';
create index sync_devices_due_idx on sync_devices (due_at) where due_at is not null;

create table sync_operations (
    user_id         uuid        not null,
    device          text        not null,
    -- The phone's own number, from 1 without gap.
    seq             bigint      not null,
    -- What operators call it.
    id              uuid        not null,
    -- What the phone calls it.
    op_id           text        not null,
    kind            text        not null,
    -- json, not jsonb: bytes in, bytes out.
    payload         json        not null,
    -- SHA-256 of kind, time and payload: the same number must mean the same operation.
    fingerprint     bytea       not null,
    -- By the phone's clock, and what that counts as; null: too far ahead to count.
    said_at         timestamptz not null,
    counts_at       timestamptz,
    -- With which sign-in it came.
    session_id      uuid        not null,
    received_at     timestamptz not null,
    -- Runs after what came before about the same thing.
    in_order        boolean     not null,
    -- What it is about, and which operation it builds on.
    aggregate       text,
    refers          text,
    state           sync_state  not null default 'PENDING',
    attempts        integer     not null default 0,
    retry_at        timestamptz,
    last_error      text,
    -- What it came to: the result or the problem, byte for byte.
    result          json,
    finished_at     timestamptz,

    constraint sync_operations_pkey primary key (user_id, device, seq),
    constraint sync_operations_id_key unique (id),
    constraint sync_operations_op_id_key unique (user_id, device, op_id),
    constraint sync_operations_device_fkey foreign key (user_id, device)
        references sync_devices (user_id, device) on delete cascade,
    constraint sync_operations_seq_positive check (seq >= 1),
    constraint sync_operations_op_id_length check (char_length(op_id) between 1 and 64),
    constraint sync_operations_fingerprint_sha256 check (octet_length(fingerprint) = 32),
    constraint sync_operations_finished_with_result
        check ((state in ('APPLIED', 'REJECTED')) = (result is not null) and (result is null) = (finished_at is null))
) with (fillfactor = 80);
comment on table sync_operations is 'One thing that was done offline, and what it came to. Replaying it gives the same answer.';
-- What is not finished.
create index sync_operations_open_idx on sync_operations (user_id, device, seq) where finished_at is null;
create index sync_operations_dead_idx on sync_operations (received_at) where state = 'DEAD';

alter table sync_devices enable row level security;
alter table sync_devices force row level security;
create policy own on sync_devices
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());
alter table sync_operations enable row level security;
alter table sync_operations force row level security;
create policy own on sync_operations
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());
grant select, insert, update on sync_devices, sync_operations to comanda_app;
