/* tracer REPORT N COMMAND...: runs a command and kills all of its processes before its Nth call that changes
 * a file system; 0 counts only. REPORT gets the number of calls. Exits with 137 if it killed, else as the
 * command. For Linux on x86-64. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static char inside[4194304], alive[4194304];

/* Devices are no files: shells open /dev/null for writing all the time. */
static int is_device(pid_t pid, unsigned long at) {
  char name[6] = "";
  struct iovec here = {name, 5}, there = {(void *)at, 5};
  process_vm_readv(pid, &here, 1, &there, 1, 0);
  return strcmp(name, "/dev/") == 0;
}

static int changes(pid_t pid, const struct user_regs_struct *r) {
  switch (r->orig_rax) {
  case SYS_open:
    return (r->rsi & (O_CREAT | O_TRUNC)) != 0 && !is_device(pid, r->rdi);
  case SYS_openat:
    return (r->rdx & (O_CREAT | O_TRUNC)) != 0 && !is_device(pid, r->rsi);
  case SYS_creat: case SYS_rename: case SYS_renameat: case SYS_renameat2: case SYS_link: case SYS_linkat:
  case SYS_symlink: case SYS_symlinkat: case SYS_unlink: case SYS_unlinkat: case SYS_mkdir: case SYS_mkdirat:
  case SYS_rmdir: case SYS_mknod: case SYS_mknodat: case SYS_chmod: case SYS_fchmod: case SYS_fchmodat:
  case SYS_chown: case SYS_fchown: case SYS_lchown: case SYS_fchownat: case SYS_utimensat: case SYS_setxattr:
  case SYS_lsetxattr: case SYS_fsetxattr: case SYS_removexattr: case SYS_lremovexattr: case SYS_fremovexattr:
  case SYS_truncate: case SYS_ftruncate: case SYS_syncfs: case SYS_fsync: case SYS_fdatasync: case SYS_sync:
    return 1;
  }
  return 0;
}

static void kill_all(void) {
  for (pid_t p = 1; p < (pid_t)sizeof alive; p++)
    if (alive[p]) kill(p, SIGKILL);
  /* One that was made just now stops for the first time. */
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
    if (pid > 0 && WIFSTOPPED(status)) kill(pid, SIGKILL);
}

int main(int argc, char **argv) {
  long wanted = argc > 3 ? atol(argv[2]) : -1, seen = 0;
  int status, result = 0, killed = 0;
  if (wanted < 0) return 64;
  pid_t first = fork();
  if (!first) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  waitpid(first, &status, 0);
  ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                          PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
  alive[first] = 1;
  ptrace(PTRACE_SYSCALL, first, 0, 0);
  for (;;) {
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0) break;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (pid == first) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      inside[pid] = alive[pid] = 0;
      continue;
    }
    alive[pid] = 1;
    int signal = WSTOPSIG(status), deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      inside[pid] ^= 1;
      struct user_regs_struct registers;
      if (inside[pid] && ptrace(PTRACE_GETREGS, pid, 0, &registers) == 0 && changes(pid, &registers)) {
        seen++;
        if (wanted && seen == wanted) {
          kill_all();
          killed = 1;
          break;
        }
      }
    } else if (!(status >> 16) && signal != SIGSTOP && signal != SIGTRAP) {
      deliver = signal;
    }
    ptrace(PTRACE_SYSCALL, pid, 0, deliver);
  }
  FILE *report = fopen(argv[1], "w");
  if (!report) return 74;
  fprintf(report, "%ld\n", seen);
  fclose(report);
  return killed ? 137 : result;
}
