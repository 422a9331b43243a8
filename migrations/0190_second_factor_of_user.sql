-- Whether a sign-in has to ask for a second factor stands on the user's own row, which opening a session locks: so a sign-in
-- that was decided before the factor was confirmed cannot open a session after it.

alter table users add column second_factor_at timestamptz;
comment on column users.second_factor_at is 'When the second factor was confirmed; null: signing in asks for none. Kept by a trigger on second_factors.';

update users u set second_factor_at = f.confirmed_at from second_factors f where f.user_id = u.id;

create function note_second_factor() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        update users set second_factor_at = null where id = old.user_id;
    else
        update users set second_factor_at = new.confirmed_at
        where id = new.user_id and second_factor_at is distinct from new.confirmed_at;
    end if;
    return null;
end $$;
comment on function note_second_factor() is 'Keeps users.second_factor_at.';
create trigger note_second_factor after insert or update of confirmed_at or delete on second_factors for each row
    execute function note_second_factor();
