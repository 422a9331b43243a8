-- Operations that devices performed offline: stored first, run in order; a repetition receives the stored result.

create type sync_state as enum ('PENDING', 'APPLIED', 'REJECTED', 'DEAD');
comment on type sync_state is
    'PENDING until it is finished; DEAD after it failed repeatedly because of an error of the server.';

create table sync_devices (
    user_id         uuid        not null references users on delete cascade,
    -- Chosen by the device.
    device          text        not null,
    -- The smallest number of an operation that was not received yet.
    next_seq        bigint      not null default 1,
    forgotten_below bigint      not null default 1,
    -- The worker that runs its operations, and the end of its lease, which each transaction checks and extends.
    lease           uuid,
    lease_until     timestamptz,
    -- No operation of the device is run before that, because the rate limit of its user or network is exceeded. Null:
    -- not paused.
    paused_until    timestamptz,
    -- When a worker has to process it next; null: there is nothing to do.
    due_at          timestamptz,
    retired_at      timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint sync_devices_pkey primary key (user_id, device),
    constraint sync_devices_device_length check (char_length(device) between 1 and 64),
    constraint sync_devices_lease_whole check ((lease is null) = (lease_until is null)),
    constraint sync_devices_next_seq_positive check (next_seq >= 1),
    constraint sync_devices_forgotten_has_come check (forgotten_below between 1 and next_seq)
);
comment on table sync_devices is 'Devices that sent offline operations, and the workers that run them.';
comment on column sync_devices.forgotten_below is
    'Operations with smaller numbers were received. Those of them that are no longer stored are finished, and are '
    'never run again.';
comment on column sync_devices.retired_at is
    'When it was removed, or replaced by a newer device because the user had too many; null: it counts towards the '
    'limit. It counts again when it sends operations again.';
create index sync_devices_due_idx on sync_devices (due_at) where due_at is not null;

create table sync_operations (
    user_id         uuid        not null,
    device          text        not null,
    -- Assigned by the device, from 1 without gaps.
    seq             bigint      not null,
    -- Assigned by the server, for operators.
    id              uuid        not null,
    -- Assigned by the device.
    op_id           text        not null,
    kind            text        not null,
    -- json, not jsonb, because it keeps the bytes.
    payload         json        not null,
    -- SHA-256 of kind, time and payload: the same number must mean the same operation.
    fingerprint     bytea       not null,
    -- The time by the device's clock, and the time that is used; null: it is too far in the future.
    said_at         timestamptz not null,
    counts_at       timestamptz,
    -- The session that sent it.
    session_id      uuid        not null,
    received_at     timestamptz not null,
    -- Runs after earlier operations on the same aggregate.
    in_order        boolean     not null,
    -- The aggregate that it changes, and the operation that it depends on.
    aggregate       text,
    refers          text,
    state           sync_state  not null default 'PENDING',
    attempts        integer     not null default 0,
    retry_at        timestamptz,
    last_error      text,
    -- The result or the problem, byte for byte.
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
comment on table sync_operations is
    'Offline operations and their results, which a repetition receives again. Deleted some time after they were '
    'finished.';
-- Operations that are not finished.
create index sync_operations_open_idx on sync_operations (user_id, device, seq) where finished_at is null;
create index sync_operations_dead_idx on sync_operations (received_at) where state = 'DEAD';
-- For the job that deletes the oldest finished ones.
create index sync_operations_finished_idx on sync_operations (finished_at) where finished_at is not null;

alter table sync_devices enable row level security;
alter table sync_devices force row level security;
create policy own on sync_devices
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());

alter table sync_operations enable row level security;
alter table sync_operations force row level security;
create policy own on sync_operations
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());

grant select, insert, update, delete on sync_devices, sync_operations to comanda_app;

create function delete_unverified_operations(person uuid) returns void language sql volatile as $$
    delete from sync_operations where user_id = person;
    -- forgotten_below is kept, so that nothing is run again if a device sends it again.
    update sync_devices
    set retired_at = now(), forgotten_below = next_seq, due_at = null, lease = null, lease_until = null
    where user_id = person;
$$;
comment on function delete_unverified_operations(uuid) is
    'Deletes the offline operations, with their devices, that somebody else may have sent before the account''s owner '
    'verified the address.';
