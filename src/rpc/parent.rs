//! The death of the editor that started us.
//!
//! The end of input says the same, and sooner, unless someone else holds the other end of the pipe.

/// Waits until the process that an editor named as its own is dead. Never ends if there is none by that number now:
/// then it lives where we cannot see it, outside our container for example, and the end of input has to do.
pub async fn died(process_id: u32) {
    if !system::wait_for(process_id).await {
        std::future::pending().await
    }
}

#[cfg(unix)]
mod system {
    use std::time::Duration;

    use rustix::{
        io::Errno,
        process::{Pid, test_kill_process},
    };

    /// False if it could not be watched.
    pub(super) async fn wait_for(process_id: u32) -> bool {
        let Some(process) = i32::try_from(process_id).ok().and_then(Pid::from_raw) else { return false };
        if !is_alive(process) {
            return false;
        }
        #[cfg(target_os = "linux")]
        if wait_for_descriptor(process).await {
            return true;
        }
        // Chosen so that it costs nothing: a second more or less does not matter to a dead editor.
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while is_alive(process) {
            ticks.tick().await;
        }
        true
    }

    fn is_alive(process: Pid) -> bool {
        test_kill_process(process) != Err(Errno::SRCH)
    }

    /// False where the kernel (before 5.3) or a sandbox has no descriptors of processes.
    #[cfg(target_os = "linux")]
    async fn wait_for_descriptor(process: Pid) -> bool {
        use rustix::process::{PidfdFlags, pidfd_open};
        use tokio::io::Interest;

        use crate::rpc::descriptor::watch;

        let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty()) else { return false };
        let Ok(descriptor) = watch(descriptor, Interest::READABLE) else { return false };
        descriptor.readable().await.is_ok()
    }
}

#[cfg(windows)]
mod system {
    use windows_sys::Win32::{
        Foundation::{CloseHandle, WAIT_OBJECT_0},
        System::Threading::{INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject},
    };

    /// False if it could not be watched. A thread does the waiting and stays until one of the two processes ends.
    pub(super) async fn wait_for(process_id: u32) -> bool {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // SAFETY: plain calls; the handle is checked, used by this thread only and closed once.
            let has_ended = unsafe {
                let handle = OpenProcess(PROCESS_SYNCHRONIZE, 0, process_id);
                !handle.is_null() && {
                    let outcome = WaitForSingleObject(handle, INFINITE);
                    CloseHandle(handle);
                    outcome == WAIT_OBJECT_0
                }
            };
            let _ = sender.send(has_ended);
        });
        receiver.await.unwrap_or(false)
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::died;

    #[tokio::test]
    async fn a_death_is_seen_and_not_before() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut death = Box::pin(died(child.id()));
        assert!(futures::poll!(&mut death).is_pending());
        child.kill().unwrap();
        // Reaped, as the editor's own parent does sooner or later: a dead process may be waited for as a zombie.
        child.wait().unwrap();
        tokio::time::timeout(Duration::from_secs(30), death).await.expect("the death was not seen");
    }

    #[tokio::test]
    async fn a_process_that_cannot_be_seen_never_dies() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        for process_id in [child.id(), 0, u32::MAX] {
            let mut death = Box::pin(died(process_id));
            assert!(futures::poll!(&mut death).is_pending(), "{process_id}");
        }
    }
}
