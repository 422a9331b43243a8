//! Every statement on users; those on sessions and revocations have files of their own.

use chrono::{DateTime, Utc};

use super::{Email, User, UserRole};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::uow::{Database, Tx};

pub mod addresses;
pub mod admin;
pub mod attempt_limits;
pub mod contacts;
pub mod devices;
pub mod preferences;
pub mod profile;
pub mod recovery;
pub mod retention;
pub mod revocations;
pub mod second_factor;
pub mod session_limit;
pub mod sessions;

/// A user about to be written.
pub struct NewUser<'a> {
    /// The id of the new user.
    pub id: UserId,
    /// The new user's e-mail address.
    pub email: &'a Email,
    /// Argon2id in PHC form.
    pub password_hash: &'a str,
    /// The display name.
    pub name: &'a str,
    /// Phone number in E.164; `None`: none was given.
    pub phone: Option<&'a str>,
    /// The role: CUSTOMER, unless an operator or the demo city creates the user.
    pub role: UserRole,
    /// Whether the address counts as verified: for users created by an operator or the demo city.
    pub is_proved: bool,
}

/// Creates a user. `false`: the address already has an account, which is not changed.
pub async fn insert(tx: &mut Tx, user: &NewUser<'_>) -> Result<bool, Problem> {
    let now = tx.now();
    let inserted = sqlx::query!(
        "insert into users (id, email, password_hash, name, phone, role, created_at, updated_at, email_verified_at)
         values ($1, $2, $3, $4, $5, $6, $7::timestamptz, $7::timestamptz, case when $8 then $7::timestamptz end) on
         conflict (email) do nothing",
        user.id as UserId,
        user.email.as_str(),
        user.password_hash,
        user.name,
        user.phone,
        user.role as UserRole,
        now,
        user.is_proved,
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A user and the hash of their password.
pub struct StoredCredentials {
    /// The user that the address belongs to.
    pub user: User,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// Whether signing in requires a second factor.
    pub has_second_factor: bool,
    /// When all sessions of the user were last ended; `None`: never.
    pub sessions_ended_at: Option<DateTime<Utc>>,
}

/// The user with this address and the password hash; `None`: there is none, or the user is disabled.
pub async fn credentials(database: &Database, email: &Email) -> Result<Option<StoredCredentials>, Problem> {
    let row = sqlx::query!(
        r#"select id, email, email_verified_at is not null as "email_verified!", name, phone,
                  phone_verified_at is not null as "phone_verified!", locale, role, password_hash,
                  second_factor_at is not null as "has_second_factor!", sessions_ended_at
           from users where email = $1 and disabled_at is null"#,
        email.as_str(),
    )
    .fetch_optional(database.pool())
    .await?;
    Ok(row.map(|row| StoredCredentials {
        user: User {
            id: row.id,
            email: row.email,
            email_verified: row.email_verified,
            name: row.name,
            phone: row.phone,
            phone_verified: row.phone_verified,
            locale: row.locale,
            role: row.role,
        },
        password_hash: row.password_hash,
        has_second_factor: row.has_second_factor,
        sessions_ended_at: row.sessions_ended_at,
    }))
}

/// When the account of this address was created.
pub async fn signed_up_at(database: &Database, email: &Email) -> Result<Option<DateTime<Utc>>, Problem> {
    let row = sqlx::query!("select created_at from users where email = $1", email.as_str())
        .fetch_optional(database.pool())
        .await?;
    Ok(row.map(|row| row.created_at))
}

/// Whether any account exists.
pub async fn has_users(database: &Database) -> Result<bool, Problem> {
    let row = sqlx::query!(r#"select exists (select from users) as "there!""#).fetch_one(database.pool()).await?;
    Ok(row.there)
}

/// The hash of a user's password.
pub async fn password_hash(database: &Database, user: UserId) -> Result<Option<String>, Problem> {
    let row = sqlx::query!("select password_hash from users where id = $1 and disabled_at is null", user as UserId)
        .fetch_optional(database.pool())
        .await?;
    Ok(row.map(|row| row.password_hash))
}

/// Replaces a password, if the stored hash is still the one that was checked; `false`: it is not.
pub async fn change_password(tx: &mut Tx, user: UserId, old_hash: &str, new_hash: &str) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update users set password_hash = $3, updated_at = $4 where id = $1 and password_hash = $2",
        user as UserId,
        old_hash,
        new_hash,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Sets a password without checking the current one.
pub async fn set_password(tx: &mut Tx, user: UserId, hash: &str) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!("update users set password_hash = $2, updated_at = $3 where id = $1", user as UserId, hash, now,)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Reads one user; `None`: there is none with this id.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<User>, Problem> {
    let user = sqlx::query_as!(
        User,
        r#"select id, email, email_verified_at is not null as "email_verified!", name, phone,
                  phone_verified_at is not null as "phone_verified!", locale, role
           from users where id = $1"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(user)
}

/// The user with this address, locked against other grants.
pub async fn lock_named(tx: &mut Tx, email: Option<&Email>, id: Option<UserId>) -> Result<Option<User>, Problem> {
    let user = sqlx::query_as!(
        User,
        r#"select id, email, email_verified_at is not null as "email_verified!", name, phone,
                  phone_verified_at is not null as "phone_verified!", locale, role
           from users where (email = $1 or id = $2) and disabled_at is null for no key update"#,
        email.map(Email::as_str),
        id as Option<UserId>,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(user)
}

/// Grants a role; a user with a higher role keeps it.
pub async fn grant_role(tx: &mut Tx, user: UserId, role: UserRole) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update users set role = $2, updated_at = $3 where id = $1 and role < $2",
        user as UserId,
        role as UserRole,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
