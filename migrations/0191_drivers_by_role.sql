-- Whoever is no driver any more is given no work, whatever their profile says.

create or replace function driver_can_work(driver drivers, seen_since timestamptz, at timestamptz) returns boolean
    language sql stable
    return (driver).online and (driver).seen_at >= seen_since
        and exists (select from users u where u.id = (driver).user_id and u.disabled_at is null and u.role >= 'DRIVER')
        and exists (select from sessions s where s.user_id = (driver).user_id
                    and s.revoked_at is null and s.expires_at > at);
comment on function driver_can_work(drivers, timestamptz, timestamptz) is 'Whether a driver may be given work: on duty, heard of lately, and signed in somewhere with an account that is a driver''s and not disabled.';
