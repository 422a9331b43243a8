//! Statements on accounts for administrators and operators.

use crate::accounts::{Account, Email, UserRole};
use crate::ids::UserId;
use crate::paging::Page;
use crate::problem::Problem;
use crate::uow::Tx;

/// A page of accounts, newest first; `beginning` is the beginning of their address, as a pattern of LIKE.
pub async fn list(tx: &mut Tx, beginning: &str, page: Page) -> Result<Vec<Account>, Problem> {
    let accounts = sqlx::query_as!(
        Account,
        r#"select id, email, email_verified_at is not null as "email_verified!", name, phone,
                  phone_verified_at is not null as "phone_verified!", locale, role, disabled_at, created_at
         from users
         where email like $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3))
         order by created_at desc, id desc limit $4"#,
        beginning,
        page.after_time(),
        page.after_id(),
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(accounts)
}

/// One account, locked against other changes.
pub async fn lock(tx: &mut Tx, user: UserId) -> Result<Option<Account>, Problem> {
    let account = sqlx::query_as!(
        Account,
        r#"select id, email, email_verified_at is not null as "email_verified!", name, phone,
                  phone_verified_at is not null as "phone_verified!", locale, role, disabled_at, created_at
         from users where id = $1 for no key update"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(account)
}

/// The user with this address, disabled or not.
pub async fn id_of(tx: &mut Tx, email: &Email) -> Result<Option<UserId>, Problem> {
    let row =
        sqlx::query!("select id from users where email = $1", email.as_str()).fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| row.id))
}

/// Disables or enables, and sets the role.
pub async fn update(tx: &mut Tx, user: UserId, disabled: bool, role: UserRole) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update users set role = $2, disabled_at = case when $3 then coalesce(disabled_at, $4) end, updated_at = $4
         where id = $1",
        user as UserId,
        role as UserRole,
        disabled,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
