//! The proof of a second factor in a request: a code of the app or a recovery code; and the response to a correct
//! password when the proof is missing. Pure. A user who has lost both is helped by an operator
//! (`comanda user reset-second-factor`, `operator.rs`).

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::ChallengeId;
use crate::problem::Problem;

/// The password was correct, and a second factor is required.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SecondFactorChallenge)]
pub struct SecondFactorNeeded {
    /// Always true: the sign-in goes on with a second factor.
    #[schema(example = true)]
    pub second_factor_required: bool,
    /// Send it with the code to `POST /api/auth/second-factor`.
    pub challenge: ChallengeId,
    /// Seconds until the password is required again.
    #[schema(example = 300)]
    pub expires_in: i64,
}

/// A code of the authenticator app, or a recovery code.
pub enum FactorProof {
    /// A code of the authenticator app, six digits.
    Code(String),
    /// In capitals, without hyphen.
    RecoveryCode(String),
}

impl FactorProof {
    /// Exactly one of the two.
    ///
    /// # Errors
    /// 422 for none and for both.
    pub fn one_of(code: Option<String>, recovery_code: Option<String>) -> Result<Self, Problem> {
        match (code, recovery_code) {
            (Some(code), None) => Ok(Self::Code(code.trim().to_owned())),
            (None, Some(code)) => Ok(Self::RecoveryCode(code.trim().to_uppercase().replace('-', ""))),
            _ => Err(Problem::invalid_field("", "must contain either code or recoveryCode")),
        }
    }
}
