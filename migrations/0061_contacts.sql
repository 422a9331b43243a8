-- Addresses and numbers that are proved: a code that was sent there has come back.

alter table users
    -- Null: anybody may have signed up with the address; what is known of the account may be a stranger's.
    add column email_verified_at timestamptz,
    -- Null: no code of the number has come back, and nothing that lets anybody in is sent there.
    add column phone_verified_at timestamptz,
    add constraint users_phone_verified check (phone_verified_at is null or phone is not null);
comment on column users.email_verified_at is 'When a code that was sent to the address came back for the first time.';
comment on column users.phone_verified_at is 'When a code that was sent to the number came back; null again with another number.';

create function forget_phone_proof() returns trigger language plpgsql as $$
begin
    new.phone_verified_at := null;
    return new;
end $$;
comment on function forget_phone_proof() is 'Another number is not proved by the codes of the one before.';
create trigger forget_phone_proof before update of phone on users for each row
    when (old.phone is distinct from new.phone) execute function forget_phone_proof();

alter table password_resets
    -- How the code went out; null: not yet. A code that went by e-mail proves the mailbox.
    add column sent_by notification_channel;

create table contact_codes (
    user_id         uuid        not null references users on delete cascade,
    channel         notification_channel not null,
    -- The address or number that the code was sent to: it proves no other.
    target          text        not null,
    -- HMAC-SHA-256 of user, channel, target and code.
    code_hash       bytea       not null,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,

    -- A new code takes the place of the one before.
    constraint contact_codes_pkey primary key (user_id, channel),
    constraint contact_codes_channel check (channel in ('SMS', 'EMAIL')),
    constraint contact_codes_sha256 check (octet_length(code_hash) = 32),
    constraint contact_codes_tries check (tries between 0 and 5),
    constraint contact_codes_life check (expires_at > created_at)
);
comment on table contact_codes is 'A code on its way to an address or a number that its user wants to prove. Five tries, ten minutes, one use.';

alter table contact_codes enable row level security;
alter table contact_codes force row level security;
create policy own on contact_codes using (user_id = app_user()) with check (user_id = app_user());

grant select, insert, update, delete on contact_codes to comanda_app;
