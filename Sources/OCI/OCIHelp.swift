/// What `minidock oci --help` shows.
enum OCIHelp {
  static let text = """
    usage: minidock oci [OPTIONS] COMMAND [OPTIONS] [ARG...]

    An OCI runtime with runc's commands and options, for engines; also under the name minidock-oci or runc.

    options:
      --root DIR             where containers are (/run/minidock-oci)
      --log FILE             where failures are written too
      --log-format FORMAT    text or json
      --debug, --rootless auto|true|false    taken for the sake of engines
      --systemd-cgroup       have systemd make groups; cgroupsPath is slice:prefix:name then
      --criu PATH            the program for checkpoint and restore (criu)
      --version

    commands:
      create    make a container from a bundle and leave it waiting
        --bundle DIR, --console-socket PATH, --pid-file FILE, --no-pivot, --no-new-keyring,
        --preserve-fds N, --pidfd-socket PATH
      start     let its command run
      run       create, start, wait and delete
        as create; --detach, --keep
      exec      run a further process: exec [OPTIONS] ID COMMAND [ARG...]
        --process FILE, --detach, --tty, --cwd DIR, --env NAME=VALUE, --user UID[:GID],
        --additional-gids GID, --cap NAME, --no-new-privs, --apparmor PROFILE, --process-label LABEL,
        --pid-file FILE, --console-socket PATH, --preserve-fds N, --pidfd-socket PATH,
        --ignore-paused, --cgroup PATH
      state     print a container's state
      list      print all containers: --format table|json, --quiet
      ps        print a container's processes: --format table|json
      kill      send a signal: kill [--all] ID [SIGNAL]
      delete    remove a container: --force
      pause, resume
      update    change limits: --resources FILE, or an option for each limit
      events    print figures: --stats, --interval TIME
      checkpoint  write a container into a directory, by criu, and end it
        --image-path DIR, --work-path DIR, --parent-path DIR, --leave-running, --pre-dump,
        --tcp-established, --tcp-skip-in-flight, --ext-unix-sk, --shell-job, --file-locks, --link-remap,
        --auto-dedup, --empty-ns network, --manage-cgroups-mode soft|full|strict|ignore
      restore   make a container of such a directory, which runs on
        --bundle DIR, --detach, --keep, --pid-file FILE, and as checkpoint: --image-path, --work-path,
        --tcp-established, --ext-unix-sk, --shell-job, --file-locks, --auto-dedup, --empty-ns,
        --manage-cgroups-mode
      spec      write a config.json to start from: --bundle DIR, --rootless
      features  print what this runtime can do

    Example:
      minidock oci run --bundle /tmp/bundle first
    """
}
