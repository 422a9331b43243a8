-- Idempotency keys: requests that must take effect once, with the stored response.

create table idempotency_keys (
    user_id         uuid        not null references users on delete cascade,
    operation       text        not null,
    key             text        not null,
    -- SHA-256 of the request's path and body: the same key must mean the same request.
    fingerprint     bytea       not null,
    -- The response, byte for byte; null only inside the transaction that processes the request.
    status          smallint,
    body            bytea,
    created_at      timestamptz not null,

    constraint idempotency_keys_pkey primary key (user_id, operation, key),
    constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
    constraint idempotency_keys_fingerprint_sha256 check (octet_length(fingerprint) = 32)
);
comment on table idempotency_keys is
    'Keys that clients sent, and the responses to them; written in the transaction of the request.';
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
-- Old keys are deleted by a job that runs for the platform.
create policy own on idempotency_keys
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());

grant select, insert, update, delete on idempotency_keys to comanda_app;

create function lock_key(of_user uuid, of_operation text, sent text) returns void language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
begin
    ignored := pg_advisory_xact_lock(hashtextextended('key ' || of_user::text || ' ' || of_operation || ' ' || sent, 0)) is null;
end $$;
comment on function lock_key(uuid, text, text) is
    'Serialises transactions that use one key, before they take other locks: a row of the key may be written last.';
grant execute on function lock_key(uuid, text, text) to comanda_app;
