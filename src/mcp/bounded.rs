//! A bound on what a server asks of its own accord.

use std::sync::Arc;

use rmcp::{
    RoleClient,
    model::JsonRpcMessage,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio_util::sync::CancellationToken;

/// How many answers may be on their way to a server. Chosen: one that takes them never leaves so many.
const ANSWERS: usize = 256;

/// The longest id of a request, in bytes: each answer on its way holds one.
const ID: usize = 1000;

/// A connection that ends when the server goes on asking without taking the answers, which would fill the memory.
pub struct Bounded<T> {
    transport: T,
    /// Held by each answer that is on its way, too.
    on_the_way: Arc<()>,
    /// Cancelled when it ends for that.
    flooded: CancellationToken,
}

impl<T> Bounded<T> {
    pub fn new(transport: T, flooded: CancellationToken) -> Self {
        Self { transport, on_the_way: Arc::default(), flooded }
    }

    fn is_too_much(&self, message: &RxJsonRpcMessage<RoleClient>) -> bool {
        let JsonRpcMessage::Request(request) = message else { return false };
        Arc::strong_count(&self.on_the_way) > ANSWERS || request.id.to_string().len() > ID
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Bounded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let is_answer = matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_));
        let on_the_way = is_answer.then(|| self.on_the_way.clone());
        let sending = self.transport.send(message);
        async move {
            let _on_the_way = on_the_way;
            sending.await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        // A server that always has something to say leaves the others their time.
        tokio::task::coop::consume_budget().await;
        let message = self.transport.receive().await?;
        if self.is_too_much(&message) {
            self.flooded.cancel();
            return None;
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.transport.close().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Asks for ever, with this as its ids, and takes no answer.
    struct Deaf(serde_json::Value);

    impl Transport<RoleClient> for Deaf {
        type Error = std::io::Error;

        async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
            Some(serde_json::from_value(json!({"jsonrpc": "2.0", "id": self.0, "method": "ping"})).unwrap())
        }

        fn send(
            &mut self,
            _: TxJsonRpcMessage<RoleClient>,
        ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
            std::future::pending()
        }

        async fn close(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    /// How many questions are taken until the connection ends, with or without answers on their way.
    async fn taken(id: serde_json::Value, is_answered: bool) -> usize {
        let flooded = CancellationToken::new();
        let mut bounded = Bounded::new(Deaf(id), flooded.clone());
        let mut sending = Vec::new();
        for taken in 0..=2 * ANSWERS {
            let Some(question) = bounded.receive().await else {
                assert!(flooded.is_cancelled());
                return taken;
            };
            let JsonRpcMessage::Request(question) = question else { panic!("a question") };
            let answer = json!({"jsonrpc": "2.0", "id": question.id, "result": {}});
            let sent = bounded.send(serde_json::from_value(answer).unwrap());
            if !is_answered {
                sending.push(sent);
            }
        }
        2 * ANSWERS
    }

    #[tokio::test]
    async fn it_ends_when_too_many_answers_are_not_taken() {
        assert_eq!(taken(json!(1), false).await, ANSWERS);
        assert_eq!(taken(json!(1), true).await, 2 * ANSWERS, "they were taken");
        assert_eq!(taken(json!("x".repeat(ID + 1)), true).await, 0);
    }
}
