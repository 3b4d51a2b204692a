//! Runs blocking work, such as file I/O and compression, on a thread of its own beside the async tasks.

use std::future::Future;
use std::panic::resume_unwind;

/// Runs `work` on a thread where it may block; it starts at once, whether or not the result is awaited.
///
/// A panic in `work` goes on in the task that awaits the result. If the runtime shuts down before `work`
/// has started, the result never comes, and the waiting task is dropped with the runtime.
///
/// # Cancel
///
/// Dropping the future does not end `work`: it runs to its end, and its result is dropped.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = T> + Send {
    let task = tokio::task::spawn_blocking(work);
    async move {
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_result_of_the_work_comes_back() {
        assert_eq!(blocking(|| 7).await, 7);
    }

    #[tokio::test]
    async fn work_starts_before_anybody_waits_for_it() {
        let (started, start) = std::sync::mpsc::channel();
        let work = blocking(move || started.send(()).is_ok());
        start.recv().expect("it has started");
        assert!(work.await);
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_task_that_waits_with_its_own_message() {
        let waiting = tokio::spawn(blocking(|| assert_eq!(1 + 1, 3, "the sum is wrong")));
        let panic = waiting.await.expect_err("it panics").into_panic();
        let text = panic.downcast_ref::<String>().expect("a message");
        assert!(text.contains("the sum is wrong"), "{text}");
    }
}
