//! Staff of a world, as a test needs them: a second factor whose codes the test can make, and a proof that is long ago.

use std::time::Duration;

use shared::totp;
use store::admin::{people, second_factor};
use store::redis::Redis;
use uuid::Uuid;

use super::World;

impl World {
    /// Gives a member of staff a second factor, so that they get past its page.
    ///
    /// # Panics
    /// If nobody has that address.
    pub async fn give_second_factor(&self, email: &str) {
        let (id, now) = (self.staff_id(email).await, self.clock.now());
        second_factor::enrol(&self.db, id, &totp::new_secret(), 0, &[], now).await.expect("they are there");
    }

    /// A code of theirs that is good now, whatever was used before.
    ///
    /// # Panics
    /// If they have no second factor.
    pub async fn code(&self, email: &str) -> String {
        let id = self.staff_id(email).await;
        let forget = "UPDATE admin_users SET totp_last_step = 0 WHERE id = $1";
        sqlx::query(forget).bind(id).execute(&self.pool).await.expect("the step is forgotten");
        let secret = second_factor::secret(&self.db, id).await.expect("it can be read").expect("they have one");
        totp::code(&secret.octets, totp::step_at(self.clock.now()))
    }

    /// The identity of a member of staff.
    ///
    /// # Panics
    /// If nobody has that address.
    pub async fn staff_id(&self, email: &str) -> Uuid {
        people::id_of(&self.db, email).await.expect("they are there")
    }

    /// Lets the proofs of all their sessions be an hour old, so that they are asked again for what needs one.
    ///
    /// # Panics
    /// If Redis is away.
    pub async fn age_proofs(&self, email: &str) {
        let config = shared::config::Config::load(&self.config()).expect("the configuration is good");
        let redis = Redis::open(&config.redis).expect("a URL");
        let earlier = (self.clock.now() - Duration::from_secs(3600)).unix_timestamp();
        for (digest, record) in redis.staff_sessions(self.staff_id(email).await).await.expect("Redis answers") {
            let mut record: serde_json::Value = serde_json::from_slice(&record).expect("a record");
            record["proved_at"] = earlier.into();
            let record = serde_json::to_vec(&record).expect("it was JSON");
            redis.renew_staff_session(&digest, &record, 600).await.expect("Redis answers");
        }
    }
}
