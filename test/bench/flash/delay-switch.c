/*
 * A switch in user space that stands for the Internet between home connections.
 *
 * Makes one network namespace per node, each with a TAP device `eth0` whose other end is here. A frame passes
 *
 *   node ─ TAP ─▶ uplink (rate, queue of a home router) ─▶ chance of loss ─▶ delay ─▶ downlink (the same) ─ TAP ─▶ node
 *
 * Rates are kept in virtual time: a link is busy until a moment, and what would wait longer than its queue allows is
 * dropped. So a wake-up that is late delays frames a little, and never changes a rate. Rates and counters are of
 * Ethernet frames without preamble and checksum, as `tc` counts.
 *
 * The node of a frame is the last byte of its MAC address, 02:00:00:00:00:NN; broadcasts (ARP) go to all.
 * Namespaces and devices belong to this process alone: they are gone with it, however it ends, as soon as the processes
 * inside are. Enter them through /proc/PID/fd/FD. Ends when its standard input or its parent does.
 *
 *   delay-switch DELAY_US LOSS_PPM SEED QUEUE_MS UP_KBIT:DOWN_KBIT...      0 kbit/s: unlimited
 *
 * First line of output: the descriptors of the namespaces, in order. Each line on standard input is answered with the
 * counters: one line per node, then an empty one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
  NODES_MAX = 64,
  FRAME_BYTES_MAX = 1536,
  FRAMES_MAX = 1 << 17, /* 200 MB: what an unlimited link may have under way */
  READS_PER_PASS = 256, /* so that one node cannot keep the others waiting */
  PASS_NS = 1000000,    /* frames that come within this time are handled together */
};
#define QUEUE_BYTES_MIN 32768
#define NS_PER_S 1000000000LL

struct frame {
  int64_t due_ns;
  struct frame *next;
  uint16_t length;
  uint8_t bytes[FRAME_BYTES_MAX];
};

/* Frames in the order in which they are due. */
struct fifo {
  struct frame *first, *last;
};

struct link {
  int64_t kbit;          /* 0: unlimited */
  int64_t queue_ns;      /* what waits longer is dropped */
  int64_t busy_until_ns; /* when the last byte accepted so far has left */
  uint64_t bytes, dropped_bytes;
};

struct node {
  int tap, namespace;
  struct link up, down;
  struct fifo travelling, arriving; /* past the uplink; past the downlink */
  uint64_t lost_bytes;
};

static struct node nodes[NODES_MAX];
static int node_count;
static int64_t delay_ns;
static uint64_t loss_below; /* of 2^32 */
static uint64_t chance;
static struct frame *free_frames;
static int frames_made;

static void die(const char *what) {
  fprintf(stderr, "delay-switch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* xorshift64*, upper half */
static uint32_t draw(void) {
  chance ^= chance >> 12;
  chance ^= chance << 25;
  chance ^= chance >> 27;
  return (uint32_t)((chance * 0x2545F4914F6CDD1DULL) >> 32);
}

static struct frame *take_frame(void) {
  struct frame *frame = free_frames;
  if (frame != NULL) free_frames = frame->next;
  else if (frames_made < FRAMES_MAX && (frame = malloc(sizeof *frame)) != NULL) frames_made++;
  return frame;
}

static void give_back(struct frame *frame) {
  frame->next = free_frames;
  free_frames = frame;
}

static void push(struct fifo *fifo, struct frame *frame) {
  frame->next = NULL;
  if (fifo->first == NULL) fifo->first = frame;
  else fifo->last->next = frame;
  fifo->last = frame;
}

static struct frame *shift(struct fifo *fifo) {
  struct frame *frame = fifo->first;
  fifo->first = frame->next;
  return frame;
}

/* When the last byte of `length` that come at `at_ns` has passed; -1 when the queue is full. */
static int64_t pass(struct link *link, int length, int64_t at_ns) {
  int64_t from_ns = link->busy_until_ns > at_ns ? link->busy_until_ns : at_ns;
  int64_t until_ns = from_ns + (link->kbit == 0 ? 0 : length * 8000000LL / link->kbit);
  if (link->kbit != 0 && until_ns - at_ns > link->queue_ns) {
    link->dropped_bytes += length;
    return -1;
  }
  link->bytes += length;
  return link->busy_until_ns = until_ns;
}

static void send_up(struct node *from, struct frame *frame, int64_t at_ns) {
  int64_t until_ns = pass(&from->up, frame->length, at_ns);
  if (until_ns < 0) return give_back(frame);
  if (draw() < loss_below) {
    from->lost_bytes += frame->length;
    return give_back(frame);
  }
  frame->due_ns = until_ns + delay_ns;
  push(&from->travelling, frame);
}

static void send_down(struct node *to, struct frame *frame, int64_t at_ns) {
  frame->due_ns = pass(&to->down, frame->length, at_ns);
  if (frame->due_ns < 0) give_back(frame);
  else push(&to->arriving, frame);
}

static void route(struct node *from, struct frame *frame) {
  int64_t at_ns = frame->due_ns;
  int number = frame->bytes[5];
  if ((frame->bytes[0] & 1) == 0) {
    if (number < node_count) send_down(&nodes[number], frame, at_ns);
    else give_back(frame);
    return;
  }
  for (int i = 0; i < node_count; i++) {
    struct frame *copy;
    if (&nodes[i] == from || (copy = take_frame()) == NULL) continue;
    memcpy(copy->bytes, frame->bytes, frame->length);
    copy->length = frame->length;
    send_down(&nodes[i], copy, at_ns);
  }
  give_back(frame);
}

/* A frame that cannot be written is lost, as with a device that is down. */
static void deliver(struct node *to, struct frame *frame) {
  if (write(to->tap, frame->bytes, frame->length) < 0 && errno != EIO && errno != EAGAIN) die("write");
  give_back(frame);
}

/* Everything that is due, in order of time. Returns when the next thing is, or INT64_MAX. */
static int64_t run_due(int64_t until_ns) {
  for (;;) {
    struct node *node = NULL;
    int64_t due_ns = INT64_MAX;
    int arriving = 0;
    for (int i = 0; i < node_count; i++) {
      struct frame *travelling = nodes[i].travelling.first, *arrived = nodes[i].arriving.first;
      if (travelling != NULL && travelling->due_ns < due_ns)
        node = &nodes[i], due_ns = travelling->due_ns, arriving = 0;
      if (arrived != NULL && arrived->due_ns < due_ns) node = &nodes[i], due_ns = arrived->due_ns, arriving = 1;
    }
    if (due_ns > until_ns) return due_ns;
    if (arriving) deliver(node, shift(&node->arriving));
    else route(node, shift(&node->travelling));
  }
}

static void read_frames(struct node *node, int64_t at_ns) {
  for (int reads = 0; reads < READS_PER_PASS; reads++) {
    struct frame *frame = take_frame();
    if (frame == NULL) return;
    ssize_t length = read(node->tap, frame->bytes, sizeof frame->bytes);
    if (length <= 0) {
      give_back(frame);
      if (length < 0 && errno != EAGAIN && errno != EIO) die("read");
      return;
    }
    frame->length = (uint16_t)length;
    send_up(node, frame, at_ns);
  }
}

static void print_counters(void) {
  for (int i = 0; i < node_count; i++) {
    struct node *node = &nodes[i];
    printf("%lu %lu %lu %lu %lu\n", node->up.bytes, node->up.dropped_bytes, node->lost_bytes, node->down.bytes,
           node->down.dropped_bytes);
  }
  printf("\n");
  fflush(stdout);
}

static int answer(void) {
  char line[256];
  ssize_t length = read(STDIN_FILENO, line, sizeof line);
  if (length <= 0) return 0;
  for (ssize_t i = 0; i < length; i++)
    if (line[i] == '\n') print_counters();
  return 1;
}

static void wait_until(int epoll, struct epoll_event *events, int *ready, int64_t due_ns) {
  int64_t left_ns = due_ns - now_ns();
  if (left_ns < 0) left_ns = 0;
  struct timespec timeout = {left_ns / NS_PER_S, left_ns % NS_PER_S};
  *ready = epoll_pwait2(epoll, events, NODES_MAX, due_ns == INT64_MAX ? NULL : &timeout, NULL);
  if (*ready < 0 && errno != EINTR) die("epoll_pwait2");
}

static void run(int epoll) {
  struct epoll_event events[NODES_MAX];
  int64_t passed_ns = 0;
  for (;;) {
    int ready;
    wait_until(epoll, events, &ready, run_due(now_ns()));
    int64_t early_ns = passed_ns + PASS_NS - now_ns();
    if (early_ns > 0 && early_ns <= PASS_NS) nanosleep(&(struct timespec){0, early_ns}, NULL);
    passed_ns = now_ns();
    run_due(passed_ns);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.ptr != NULL) read_frames(events[i].data.ptr, passed_ns);
      else if (!answer()) return;
    }
  }
}

static void watch(int epoll, int descriptor, struct node *node) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = node};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0) die("epoll_ctl");
}

static struct link link_of(int64_t kbit, int64_t queue_ms) {
  int64_t least_ns = kbit == 0 ? 0 : QUEUE_BYTES_MIN * 8000000LL / kbit;
  int64_t queue_ns = queue_ms * 1000000;
  return (struct link){.kbit = kbit, .queue_ns = queue_ns > least_ns ? queue_ns : least_ns};
}

static void add_node(int epoll, const char *rates, int64_t queue_ms) {
  long up, down;
  if (node_count == NODES_MAX || sscanf(rates, "%ld:%ld", &up, &down) != 2) die(rates);
  struct node *node = &nodes[node_count++];
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strcpy(request.ifr_name, "eth0");
  if (unshare(CLONE_NEWNET) < 0) die("unshare");
  node->namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  node->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (node->namespace < 0 || node->tap < 0) die("/dev/net/tun");
  if (ioctl(node->tap, TUNSETIFF, &request) < 0) die("TUNSETIFF");
  node->up = link_of(up, queue_ms);
  node->down = link_of(down, queue_ms);
  watch(epoll, node->tap, node);
}

/* The network must not wait for those who use it. */
static void come_first(void) {
  struct sched_param first = {.sched_priority = 1};
  prctl(PR_SET_TIMERSLACK, 1L);
  if (sched_setscheduler(0, SCHED_RR, &first) < 0) perror("delay-switch: no real-time priority");
}

int main(int count, char **arguments) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* one that is stopped would not see its input end */
  if (count < 6) return fprintf(stderr, "usage: delay-switch DELAY_US LOSS_PPM SEED QUEUE_MS UP:DOWN...\n"), 2;
  delay_ns = atoll(arguments[1]) * 1000;
  loss_below = ((uint64_t)atoll(arguments[2]) << 32) / 1000000;
  chance = (uint64_t)atoll(arguments[3]) * 2 + 1;
  for (int i = 5; i < count; i++) add_node(epoll, arguments[i], atoll(arguments[4]));
  watch(epoll, STDIN_FILENO, NULL);
  for (int i = 0; i < node_count; i++) printf(i + 1 < node_count ? "%d " : "%d\n", nodes[i].namespace);
  fflush(stdout);
  come_first();
  run(epoll);
  return 0;
}
